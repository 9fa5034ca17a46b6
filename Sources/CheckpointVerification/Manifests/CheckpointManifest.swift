public import CheckpointConversion
public import FileContainers
import Foundation
public import TensorModel

/// What files and tensors a checkpoint consists of: `weighbridge-manifest.json` in a directory, `FILE.manifest.json` beside a file.
public struct CheckpointManifest: Sendable, Codable, Hashable {
  /// The schema's name.
  public var schema = "manifest/v1"
  /// Who wrote it.
  public var tool = Certificate.Tool.current
  /// The checkpoint's format.
  public let format: String
  /// The root of all stored tensors.
  public let root: Digest
  /// The files, sorted by the bytes of their names.
  public let files: [File]
  /// The stored tensors, sorted likewise.
  public let tensors: [Tensor]

  /// Keys that it has and manifests of this version don't; none in those that are made here.
  private(set) var unknownKeys: [String] = []

  private enum CodingKeys: String, CodingKey { case schema, tool, format, root, files, tensors }

  /// All keys, at any depth.
  private static let keys: Set = [
    "schema", "tool", "name", "version", "format", "root", "files", "byte_count", "digest",
    "tensors", "dtype", "shape", "file",
  ]

  /// The name in a directory.
  public static let fileName = "weighbridge-manifest.json"
  /// What is added to a file's name.
  public static let ending = ".manifest.json"
  /// The list that `sha256sum -c` reads.
  public static let sumsName = "SHA256SUMS"

  /// A file.
  public struct File: Sendable, Codable, Hashable {
    /// Its path in the checkpoint, with `/`.
    public let name: String
    /// Its bytes.
    public let byteCount: Int
    /// Their SHA-256.
    public let digest: Digest
  }

  /// A stored tensor.
  public struct Tensor: Sendable, Codable, Hashable {
    /// Its name.
    public let name: String
    /// Its dtype.
    public let dtype: DType
    /// Its extents.
    public let shape: Shape
    /// Its bytes.
    public let byteCount: Int
    /// SHA-256 of these, little-endian and row-major.
    public let digest: Digest
    /// The file that has it.
    public let file: String
  }

  /// Where the manifest of a checkpoint lies.
  ///
  /// - Parameter place: the checkpoint's file or directory.
  /// - Returns: a path in or beside it.
  public static func path(for place: String) -> String {
    guard FileKind(of: place) == .directory else { return place + ending }
    return place.utf8.last == UInt8(ascii: "/") ? place + fileName : "\(place)/\(fileName)"
  }

  /// Whether a path is that of a manifest: by its name, or because it can be read as one.
  public static func isOne(_ path: String) -> Bool {
    guard FileKind(of: path) == .file else { return false }
    if Directories.split(path).name == fileName || path.hasSuffix(ending) { return true }
    return path.hasSuffix(".json") && (try? CheckpointManifest(path: path)) != nil
  }

  /// Reads a manifest.
  ///
  /// - Throws: `missing`, `inputOutput`; `malformed` for anything that isn't one.
  public init(path: String) throws(CheckpointError) {
    let bytes = try InputFile.contents(
      of: path, limit: Certificate.maximumByteCount, recordedIn: nil)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do { self = try decoder.decode(CheckpointManifest.self, from: Data(bytes)) } catch {
      throw CheckpointError(
        .malformed, "not a manifest: \(JSONDocument.reason(error, bytes))", file: path,
        expected: "manifest/v1", hint: Self.hint)
    }
    do throws(CheckpointError) {
      unknownKeys = try UnknownKeys.all(
        in: InputFile(path: path).region, withList: "tensors", besides: Self.keys)
    } catch {
      if error.code.isTransient { throw error }
      throw error.in(file: path)
    }
    guard schema == "manifest/v1" else {
      throw CheckpointError(
        .unsupported, "a manifest of another version", file: path, expected: "manifest/v1",
        found: schema, hint: "use the version of weighbridge that wrote it, or write it again")
    }
    let names = files.map(\.name) + tensors.map(\.file)
    guard let stranger = names.first(where: { !Self.isWithin($0) }) else { return }
    throw CheckpointError(
      .malformed, "a manifest that names files outside of the checkpoint", file: path,
      found: stranger, hint: Self.hint)
  }

  private static let hint = "write it again from the checkpoint: weighbridge manifest"

  /// Makes sure that it doesn't contradict itself.
  ///
  /// - Parameter name: what it is called.
  /// - Throws: `malformed` where a name stands twice, a size can't be, a tensor is in a file that isn't listed, nothing is listed, or the root is of other tensors.
  func requireConsistent(_ name: String) throws(CheckpointError) {
    var problem = files.isEmpty ? "it lists nothing" : nil
    var names: Set<ExactName> = []
    for file in files where problem == nil {
      if !names.insert(ExactName(file.name)).inserted { problem = "it lists '\(file.name)' twice" }
      if file.byteCount < 0 { problem = "it says that '\(file.name)' has \(file.byteCount) bytes" }
    }
    // A file's manifest lists it alone: tensors can lie in what it contains, or in other files of its set. So can they in a folder of archives.
    let listsPlaces =
      !name.hasSuffix(Self.ending) && tensors.contains { names.contains(ExactName($0.file)) }
    var tensorNames: Set<ExactName> = []
    for tensor in tensors where problem == nil {
      if !tensorNames.insert(ExactName(tensor.name)).inserted {
        problem = "it has the tensor '\(tensor.name)' twice"
      } else if tensor.dtype.byteCount(elementCount: tensor.shape.elementCount) != tensor.byteCount
      {
        problem =
          "it says that the tensor '\(tensor.name)', \(tensor.dtype.rawValue) \(tensor.shape), has \(tensor.byteCount) bytes"
      } else if listsPlaces, !names.contains(ExactName(tensor.file)) {
        problem = "it has the tensor '\(tensor.name)' in '\(tensor.file)', which it doesn't list"
      }
    }
    if problem == nil {
      let own = Self.root(of: tensors)
      if own != root { problem = "its root is \(root), and that of its tensors \(own)" }
    }
    guard let problem else { return }
    throw CheckpointError(
      .malformed, "the manifest contradicts itself: \(problem)", file: name, hint: Self.hint)
  }

  private static func root(of tensors: [Tensor]) -> Digest {
    rootDigest(ofTensors: tensors.count, named: { tensors[$0].name }) {
      let tensor = tensors[$0]
      return TensorIdentity(
        name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, digest: tensor.digest)
    }
  }

  init(format: String, files: [File], tensors: [Tensor]) {
    self.format = format
    self.files = files.sorted { ExactName($0.name) < ExactName($1.name) }
    self.tensors = tensors.sorted { ExactName($0.name) < ExactName($1.name) }
    root = Self.root(of: tensors)
  }

  /// Whether a name stays in the directory that it is relative to.
  static func isWithin(_ name: String) -> Bool {
    !name.utf8.contains(0)
      && !name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        .contains { ["", ".", ".."].contains(String($0) ?? "") }
  }
}
