public import TensorModel

/// What a signature's check can find: each kind has an id of its own, which never changes.
public enum SignatureFinding: String, CaseIterable, Sendable {
  case invalid = "signature-invalid"
  case key = "signature-key"
  case certificate = "signature-certificate"
  case format = "signature-format"
  case predicate = "signature-predicate"
  case method = "signature-method"
  case nameTwice = "signature-name-twice"
  case ignoredWeight = "signature-ignored-weight"
  case ignoredPath = "signature-ignored-path"
  case fileChanged = "signature-file-changed"
  case fileLink = "signature-file-link"
  case fileMissing = "signature-file-missing"
  case fileUnsigned = "signature-file-unsigned"
  case keyless = "signature-keyless"
  case missing = "signature-missing"
  case derivation = "signature-derivation"

  /// How much it matters.
  public var severity: Finding.Severity { self == .ignoredPath ? .note : .error }

  /// A finding of this kind.
  ///
  /// - Parameters:
  ///   - message: a sentence.
  ///   - file: the signature or a file of the model.
  /// - Returns: the finding, of the kind's severity.
  public func finding(_ message: String, file: String?) -> Finding {
    Finding(severity, rawValue, message, file: file)
  }

  /// Every kind with its explanation, for a registry of findings.
  public static var explanations:
    [(id: String, severity: Finding.Severity, title: String, help: String)]
  {
    allCases.map { ($0.rawValue, $0.severity, $0.title, $0.help) }
  }

  /// What it is called in a list.
  public var title: String {
    switch self {
    case .invalid: "The signature is wrong"
    case .key: "Signed with another key"
    case .certificate: "The certificate isn't trusted"
    case .format: "The signature breaks the format's rules"
    case .predicate: "The signed statement says something else"
    case .method: "The model was signed by a method that isn't supported"
    case .nameTwice: "The signature names a file twice"
    case .ignoredWeight: "The signature leaves out weights"
    case .ignoredPath: "The signature leaves out a path"
    case .fileChanged: "A signed file has changed"
    case .fileLink: "A signed file is a link"
    case .fileMissing: "A signed file isn't there"
    case .fileUnsigned: "A file isn't signed"
    case .keyless: "The signature is keyless, and isn't verified"
    case .missing: "There is no signature"
    case .derivation: "The signed derivation is of another checkpoint"
    }
  }

  /// What it means, what makes it, and what to do.
  public var help: String {
    switch self {
    case .invalid:
      "The signature doesn't belong to what it signs. Either the signed statement was changed after it was signed, or another key made the signature. Don't trust the model. Get the signature again from whoever published it."
    case .key:
      "The signature was made with another key than the one that was given, or with a certificate. Nothing is known about the files then. Check that the key is the publisher's. For a signature with a certificate give --certificate-roots."
    case .certificate:
      "No chain of valid certificates leads from the signer to one of the given roots, or the signer's certificate may not be used to sign. A root must be self-signed: an intermediate certificate alone isn't enough. The time that counts is the beginning of the signer's certificate, or now with --require-currently-valid. Check the roots, or ask the publisher for a new signature."
    case .format:
      "The file isn't a signature as OpenSSF Model Signing and Sigstore define it, or the signed statement isn't as it should be. A damaged download or a faulty signing program makes this. Get the signature again, or have the model signed again."
    case .predicate:
      "The signature is valid, but what was signed isn't a statement about a model's files. Statements of version 0.2 are no longer accepted. Have the model signed again."
    case .method:
      "The model was signed shard by shard, or with another hash than SHA-256. The files weren't checked. Verify it with the program that signed it, or have it signed by files with SHA-256."
    case .nameTwice:
      "A file stands twice in the signed list, perhaps with two digests, so it is unclear what was signed. Other programs accept this and take the last one. Don't trust the signature. Ask the publisher for a new one."
    case .ignoredWeight:
      "The signer declared a path to be ignored, and weights lie there. Anybody can exchange them, and the signature stays valid. Move the weights away, or ask the publisher to sign them too. To check the rest all the same, give --ignore-path."
    case .ignoredPath:
      "Files at this path are not protected by the signature, because the signer or --ignore-path left them out. No weights lie there by the signer's choice. Look at what lies there before you use it."
    case .fileChanged:
      "A file has other contents than it had when the model was signed. A damaged or exchanged file makes this. Get the file again, or have the changed model signed again."
    case .fileLink:
      "In the place of a signed file is a symbolic link. What it leads to can have the signed contents now and others later, without anything in the model's folder being changed. Only the links of a snapshot in Hugging Face's cache are followed, which lead to the blobs of the same cache. Put the file itself there, or copy the folder with `cp -RL` and verify the copy."
    case .fileMissing:
      "The signature names a file that isn't in the model's folder. Get the whole model."
    case .fileUnsigned:
      "A file was added after the model was signed, or never was a part of it. A manifest must be written before the model is signed. Remove the file, have the model signed again, or give --ignore-path or --ignore-unsigned-files if the file is known to be harmless."
    case .keyless:
      "The signature was made with Sigstore's short-lived certificates, which only its transparency log can confirm. This program doesn't ask the log, so it can't say who signed. The files were compared with the unverified statement. Verify the signer with `model_signing verify sigstore`."
    case .derivation:
      "The signature is valid, and the derivation that was signed is not this checkpoint's: its certificate or its tensors are others, or it contradicts itself. The signature was put beside another result, or the certificate was edited. Get both again from whoever published them."
    case .missing:
      "A key or roots were given, but the model's folder has no file model.sig. Nothing was verified. Name the signature with --signature, or get it from the publisher."
    }
  }
}

/// Why a signature is refused, before a model's files are looked at.
struct SignatureRefusal: Error {
  let kind: SignatureFinding
  let message: String

  init(_ kind: SignatureFinding, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// The rules of the format are broken, as low-level code found out.
  init(_ error: CheckpointError) {
    self.init(.format, error.summary)
  }
}
