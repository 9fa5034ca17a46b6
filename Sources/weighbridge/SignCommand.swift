import ArgumentParser
import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import ModelSigning
import TensorModel

/// `weighbridge sign`.
struct SignCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sign",
    abstract: "Sign all files of a checkpoint, in OpenSSF Model Signing's format.",
    discussion: """
      The signature lists every file of the folder with its SHA-256, but .git, .gitattributes, \
      .github and .gitignore at its top. Links aren't signed: a snapshot in Hugging Face's cache \
      must be copied first. An existing signature is never replaced.

      With --derivation the conversion that CHECKPOINT's certificate states is made again from its \
      source first. What is signed then says so, and holds the certificate. It proves what the \
      checkpoint was made of, not that it is harmless. Exit code 1: something came out different, \
      and nothing is signed.

      Examples:
        openssl ecparam -name prime256v1 -genkey -noout -out key.pem
        openssl ec -in key.pem -pubout -out key.pub.pem
        weighbridge sign gpt-j-6b --private-key key.pem
        weighbridge verify gpt-j-6b --public-key key.pub.pem
        weighbridge sign gpt-j.Q4_K_M.gguf --derivation gpt-j-6b \\
            --private-key key.pem --signature x.sig
      """)

  @Argument(
    help: "The checkpoint to sign: a folder; with --derivation also a file.", completion: .file())
  var checkpoint: String

  @Option(
    help: ArgumentHelp(
      "The signer's key as PEM: EC on P-256, P-384 or P-521, not encrypted.", valueName: "file"),
    completion: .file())
  var privateKey: String

  @Option(
    help: ArgumentHelp(
      "Certificates as PEM: the key's own first, then the one that signed it, and so on.",
      valueName: "file"), completion: .file())
  var certificateChain: String?

  @Option(
    help: ArgumentHelp(
      "Where the signature is written (default: model.sig in the checkpoint).", valueName: "file"),
    completion: .file())
  var signature: String?

  @Option(
    help: ArgumentHelp(
      "The source that CHECKPOINT was made of: the conversion is made again first, and what is signed says so.",
      valueName: "source"), completion: .file())
  var derivation: String?

  @OptionGroup var origin: DerivationOptions

  @OptionGroup var shared: SharedOptions

  func validate() throws {
    try origin.check(isUsed: derivation != nil, by: "--derivation")
    if derivation == nil, shared.config != nil {
      throw ValidationError("--config needs --derivation.")
    }
    if derivation == nil, !shared.base.isEmpty {
      throw ValidationError("--base needs --derivation.")
    }
  }

  func run() throws {
    if let threads = shared.threads { ParallelPieces.threadCount = threads }
    let signer = try ModelSigner(
      checkpoint, signature: signature, isDerivation: derivation != nil)
    let key = try SigningKey(path: privateKey)
    let folder = Directories.resolved(checkpoint)
    guard !Directories.resolved(privateKey).utf8.starts(with: "\(folder)/".utf8) else {
      throw CheckpointError(
        .usage, "the private key lies in the folder that is to be signed", file: privateKey,
        hint: "move it out of the folder: it would be published with the model")
    }
    let chain = try certificateChain.map { (path) throws(CheckpointError) in
      try CertificateChain(path: path)
    }
    var proof: (derivation: Derivation, checkpoint: Source)?
    let progress = shared.progress
    if let derivation { proof = try self.proof(from: derivation, progress) }
    let statement = try proof?.derivation.predicate
    let result = try signer.sign(
      with: key, chain, derivation: statement,
      confirm: { [proof] () throws(CheckpointError) in try proof?.checkpoint.confirm() },
      expecting: { progress.begin("hashing", $0) },
      progress: { (byteCount) throws(CheckpointError) in
        try Signals.check()
        progress.add(byteCount)
      })
    progress.finish()
    if shared.json {
      Console.output(
        document: try JSONDocument.bytes(SigningDocument(result, key, proof?.derivation)))
      return
    }
    Console.output { line in
      if let proof {
        line(
          "\(counted(proof.derivation.certificate.tensors.count, "tensor")) made again from \(printable(derivation ?? "")), all as they are"
        )
      }
      line(
        "signed \(counted(result.fileCount, "file")), \(humanSize(result.byteCount)), with the \(key.publicKey.name)"
      )
      for name in result.unsigned { line("not signed: \(printable(name))") }
      line("signature: \(printable(result.signature))")
    }
  }

  /// Makes the checkpoint again from its source.
  ///
  /// - Returns: what is signed, and the checkpoint as it was compared.
  /// - Throws: the exit code 1 where something is another, after it was said.
  private func proof(
    from source: String, _ progress: ProgressLine
  ) throws -> (derivation: Derivation, checkpoint: Source) {
    let options = try shared.openOptions(source, progress)
    let statistics = try origin.statistics()
    var ownOptions = options
    ownOptions.progress = progress.unpacking(checkpoint)
    ownOptions.replacesConfiguration = false
    let opened = try Source(checkpoint, ownOptions)
    let count = opened.checkpoint.files.count
    guard FileKind(of: checkpoint) == .directory || count == 1 else {
      throw CheckpointError(
        .usage, "is one of \(count) files of a checkpoint, which are signed together",
        file: checkpoint, hint: "convert to a folder, and sign that")
    }
    let report = try Verifier(
      checkpoint, ownOptions, shared.resources,
      replay: try origin.source(source, options, statistics, isSigned: true),
      progress: progress.work
    ).run(against: nil, .derivation)
    progress.finish()
    guard report.verdict != .failed, let derivation = report.derivation else {
      Console.output(document: Paint.report(try ReportFormat.text.bytes(report, { _ in nil })))
      Console.error("error: nothing is signed: the source doesn't give this checkpoint")
      throw ExitCode(1)
    }
    return (derivation, opened)
  }
}

/// `sign --json`: what was signed, and where the signature is.
private struct SigningDocument: Encodable {
  let schema = "signing/v1"
  let tool = Certificate.Tool.current
  let signature: String
  let model: String
  let key: String
  let fileCount: Int
  let byteCount: Int
  let unsigned: [String]
  /// The root of the source and the digest of the plan, where a derivation was signed.
  let derivation: Origin?

  struct Origin: Encodable {
    let source: Derivation.Origin
    let plan: Digest
  }

  private enum CodingKeys: String, CodingKey {
    case schema, tool, signature, model, key, fileCount, byteCount, unsigned, derivation
  }

  init(_ result: ModelSigner.Result, _ key: SigningKey, _ derivation: Derivation?) {
    signature = result.signature
    model = result.model
    self.key = key.publicKey.name
    fileCount = result.fileCount
    byteCount = result.byteCount
    unsigned = result.unsigned
    self.derivation = derivation.map { Origin(source: $0.source, plan: $0.plan) }
  }
}
