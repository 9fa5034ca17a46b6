import FileContainers
import TensorModel

/// What is said of a checkpoint's tensors without reading them: by a store's manifest, or by the certificate that lies beside the files.
struct KnownDigests {
  /// The root of all tensors, as they are read here; nil where nothing says it.
  private(set) var root: Digest?
  private var digests: [ExactName: Digest] = [:]

  private static let certificateName = "weighbridge-certificate.json"
  private static let maximumCertificateByteCount = 256 << 20

  /// What is known of a base.
  init(of base: BaseCheckpoint) {
    if let store = base.source.reader as? StoreReader { root = store.manifest.root }
    for tensor in base.checkpoint.tensors {
      digests[ExactName(tensor.name)] = tensor.recordedDigest.flatMap { Digest("sha256:\($0)") }
    }
    guard digests.isEmpty, let certificate = Self.certificate(of: base.source) else { return }
    root = certificate["root"]?.text.flatMap { Digest($0) }
    for tensor in certificate["tensors"]?.elements ?? [] {
      guard let name = tensor["name"]?.text, let digest = tensor["digest"]?.text else { continue }
      digests[ExactName(name)] = Digest(digest)
    }
  }

  /// The digest of a tensor; nil where nothing says it.
  subscript(name: String) -> Digest? { digests[ExactName(name)] }

  /// A certificate whose files are those that are there, by name and size.
  private static func certificate(of source: Source) -> JSONValue? {
    guard FileKind(of: source.place) == .directory else { return nil }
    let path = "\(source.place)/\(certificateName)"
    guard
      let bytes = try? InputFile.contents(
        of: path, limit: maximumCertificateByteCount, recordedIn: nil),
      let document = try? JSONValue(parsing: bytes),
      let files = document["files"]?.elements, !files.isEmpty
    else { return nil }
    let sizes = Dictionary(
      source.checkpoint.files.map { (ExactName($0.name), $0.byteCount) },
      uniquingKeysWith: { first, _ in first })
    let isOfThese = files.allSatisfy { file in
      guard let name = file["name"]?.text, let size = sizes[ExactName(name)] else { return false }
      return file["byte_count"]?.integer == size
    }
    return isOfThese ? document : nil
  }
}
