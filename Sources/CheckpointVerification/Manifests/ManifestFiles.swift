import CheckpointConversion
import CheckpointFormats
import FileContainers
import ModelSigning
public import TensorModel

/// The files that a manifest is written to: its own, and `SHA256SUMS`.
public struct ManifestFiles {
  /// Of the manifest.
  public let path: String
  private let sums: String
  private let folder: String

  /// - Parameter place: the checkpoint's file or directory.
  public init(_ place: String) {
    path = CheckpointManifest.path(for: place)
    folder = place
    sums = "\(place)/\(CheckpointManifest.sumsName)"
  }

  /// Makes sure that what lies there may be replaced, before anything is read.
  ///
  /// - Parameter withSums: whether `SHA256SUMS` is written too.
  /// - Throws: `conflict` if something else is in the way; `inputOutput`.
  public func requireReplaceable(withSums: Bool) throws(CheckpointError) {
    SingleOutput.removeAbandoned(path, Self.manifestKind)
    SingleOutput.removeAbandoned(sums, Self.sumsKind)
    if FileKind(ofEntry: path) != nil {
      guard FileKind(ofEntry: path) == .file,
        try ifUsable({ () throws(CheckpointError) in try Self.isManifest(path) }) == true
      else { throw inTheWay(path, "a manifest") }
    }
    guard withSums, FileKind(ofEntry: sums) != nil else { return }
    guard FileKind(ofEntry: sums) == .file,
      try ifUsable(readSums) != nil
    else { throw inTheWay(sums, "a list of digests") }
  }

  /// Whether a file says that it is a manifest, whatever is wrong with it.
  private static func isManifest(_ path: String) throws(CheckpointError) -> Bool {
    let bytes = try InputFile.contents(
      of: path, limit: Certificate.maximumByteCount, recordedIn: nil)
    return try JSONValue(parsing: bytes)["schema"]?.text?.hasPrefix("manifest/") == true
  }

  private func inTheWay(_ path: String, _ expected: String) -> CheckpointError {
    CheckpointError(
      .conflict, "is in the way, and isn't replaced", file: path, expected: expected,
      found: "something else", hint: "remove or rename it by hand")
  }

  /// Writes them, each as a whole or not at all: the list first.
  ///
  /// - Parameters:
  ///   - manifest: whose files the list has.
  ///   - bytes: the manifest's text.
  ///   - withSums: whether the list is written.
  /// - Throws: `noSpace`, `inputOutput`, `conflict`.
  public func write(
    _ manifest: CheckpointManifest, _ bytes: [UInt8], withSums: Bool
  ) throws(CheckpointError) {
    try requireReplaceable(withSums: withSums)
    if withSums { try write(SHA256Sums.text(manifest.files), to: sums, Self.sumsKind) }
    try write(bytes, to: path, Self.manifestKind)
  }

  /// What else lies there that doesn't go with the new manifest, in sentences.
  ///
  /// - Parameters:
  ///   - manifest: as it was written.
  ///   - withSums: whether `SHA256SUMS` was written with it.
  /// - Returns: what to do about each.
  /// - Throws: `inputOutput`, `interrupted`.
  public func disagreements(
    with manifest: CheckpointManifest, withSums: Bool
  ) throws(CheckpointError) -> [String] {
    var sentences: [String] = []
    if !withSums, let list = try ifUsable(readSums) {
      let digests = Dictionary(
        manifest.files.map { (ExactName($0.name), $0.digest) },
        uniquingKeysWith: { first, _ in first })
      let others = list.entries.filter {
        $0.name != CheckpointManifest.sumsName && digests[ExactName($0.name)] != $0.digest
      }
      if let first = others.first {
        sentences.append(
          "\(CheckpointManifest.sumsName) has \(counted(others.count, "file")) that \(others.count == 1 ? "is" : "are") no longer so, such as \(first.name): get the files again, or write the list again with --sha256sums"
        )
      }
    }
    let signature = "\(folder)/\(ModelSigner.signatureName)"
    if FileKind(of: folder) == .directory, fileExists(signature) {
      sentences.append(
        "\(ModelSigner.signatureName) is older than the manifest, and so doesn't sign it: remove it, write the manifest, and sign after that"
      )
    }
    return sentences
  }

  private func readSums() throws(CheckpointError) -> SHA256Sums {
    try SHA256Sums(
      parsing: InputFile.contents(of: sums, limit: SHA256Sums.maximumByteCount, recordedIn: nil),
      CheckpointManifest.sumsName)
  }

  private static let manifestKind = SingleOutput.Kind(
    title: "a manifest", beginning: [UInt8(ascii: "{")])
  /// Lists begin with a digest, or with the backslash of a name that is escaped; a folder without files has an empty one.
  private static let sumsKind = SingleOutput.Kind(
    title: "a list of digests", beginnings: Array("0123456789abcdef\\".utf8).map { [$0] } + [[]])

  private func write(
    _ bytes: [UInt8], to path: String, _ kind: SingleOutput.Kind
  ) throws(CheckpointError) {
    let output = try SingleOutput(path, kind, besides: ReadFiles(), byteCount: bytes.count)
    try output.file.write(at: 0, bytes)
    try output.finish()
  }
}
