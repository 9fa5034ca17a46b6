import ArgumentParser
import FileContainers
import ModelSigning
import TensorModel

/// `weighbridge sign`.
struct SignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign",
    abstract: "Sign all files of a checkpoint, as OpenSSF Model Signing has it.",
    discussion: """
      The signature lists every file of the folder with its SHA-256, but .git, .gitattributes, \
      .github and .gitignore at its top. Links aren't signed: a snapshot in Hugging Face's cache \
      must be copied first. An existing signature is never replaced.

      Examples:
        openssl ecparam -name prime256v1 -genkey -noout -out key.pem
        openssl ec -in key.pem -pubout -out key.pub.pem
        weighbridge sign gpt-j-6b --private-key key.pem
        weighbridge verify gpt-j-6b --public-key key.pub.pem
      """)

  @Argument(help: "The checkpoint to sign: a folder.")
  var checkpoint: String

  @Option(
    help: ArgumentHelp(
      "The signer's key as PEM: EC on P-256, P-384 or P-521, not encrypted.", valueName: "file"))
  var privateKey: String

  @Option(
    help: ArgumentHelp(
      "Certificates as PEM: the key's own first, then the one that signed it, and so on.",
      valueName: "file"))
  var certificateChain: String?

  @Option(
    help: ArgumentHelp(
      "Where the signature is written (default: model.sig in the checkpoint).", valueName: "file"))
  var signature: String?

  @Option(help: ArgumentHelp("Threads; by default as many as the process may use.", valueName: "n"))
  var threads: Int?

  @Flag(help: "No progress and no remarks on standard error, only warnings and errors.")
  var quiet = false

  func validate() throws { try OptionRange("--threads", 1...1024).check(threads) }

  func run() throws {
    if let threads { ParallelPieces.threadCount = threads }
    let signer = try ModelSigner(checkpoint, signature: signature)
    let key = try SigningKey(path: privateKey)
    let chain = try certificateChain.map { (path) throws(CheckpointError) in
      try CertificateChain(path: path)
    }
    let hashing = ProgressLine("hashing", total: 0, quiet: quiet)
    let result = try signer.sign(with: key, chain) { (byteCount) throws(CheckpointError) in
      try Signals.check()
      hashing.add(byteCount)
    }
    hashing.finish()
    Console.output { line in
      line(
        "signed \(counted(result.fileCount, "file")), \(humanSize(result.byteCount)), with the \(key.publicKey.name)"
      )
      for name in result.unsigned { line("not signed: \(printable(name))") }
      line("signature: \(printable(result.signature))")
    }
  }
}
