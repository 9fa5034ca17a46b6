import ArgumentParser
import CheckpointVerification
import TensorModel

/// How `verify` is told whose signature a checkpoint must have.
struct SignatureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A signature of OpenSSF Model Signing (default: model.sig in CHECKPOINT, once a key or roots are given).",
      valueName: "file"), completion: .file())
  var signature: String?

  @Option(
    help: ArgumentHelp(
      "The key that must have signed, as PEM: EC on P-256, P-384 or P-521.", valueName: "file"),
    completion: .file())
  var publicKey: String?

  @Option(
    help: ArgumentHelp(
      "Root certificates as PEM, to one of which the signer's must lead.", valueName: "file"),
    completion: .file())
  var certificateRoots: String?

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "A path in CHECKPOINT that the signature's check leaves out, with all that lies there; can be repeated.",
      valueName: "path"))
  var ignorePath: [String] = []

  @Flag(help: "Files that aren't signed are fine.")
  var ignoreUnsignedFiles = false

  @Flag(
    help: "Certificates must be valid now, and not only when the signer's began.")
  var requireCurrentlyValid = false

  /// Whether a signature must be there.
  var isAsked: Bool { publicKey != nil || certificateRoots != nil }

  func validate() throws {
    if publicKey != nil && certificateRoots != nil {
      throw ValidationError(
        "Give --public-key or --certificate-roots, as the signature has a key or a certificate.")
    }
    let others = [
      ("--signature", signature != nil), ("--ignore-path", !ignorePath.isEmpty),
      ("--ignore-unsigned-files", ignoreUnsignedFiles),
      ("--require-currently-valid", requireCurrentlyValid),
    ]
    if !isAsked, let other = others.first(where: \.1) {
      throw ValidationError(
        "\(other.0) needs --public-key or --certificate-roots: who signed is what counts.")
    }
    if requireCurrentlyValid && certificateRoots == nil {
      throw ValidationError(
        "--require-currently-valid needs --certificate-roots: keys don't expire.")
    }
  }

  /// What is asked for; nil without a key or roots.
  var request: SignatureRequest? {
    guard isAsked else { return nil }
    var request = SignatureRequest()
    request.signature = signature.map { NamedPlace($0) }
    request.publicKey = publicKey.map { NamedPlace($0) }
    request.certificateRoots = certificateRoots.map { NamedPlace($0) }
    request.rules.ignoredPaths = ignorePath
    request.rules.ignoresUnsignedFiles = ignoreUnsignedFiles
    request.rules.requiresCurrentValidity = requireCurrentlyValid
    return request
  }
}
