public import FileContainers
public import TensorModel

/// TEMPORARY until the branch imatrix is merged.
public struct ImportanceMatrix: Sendable {
  public let digest: Digest
  public let datasets: [String] = []
  public init(path: String) throws(CheckpointError) {
    throw CheckpointError(.unsupported, "not yet")
  }
  public func columns(of name: String, count: Int) throws(CheckpointError) -> [Float]? { nil }
}
extension ImportanceMatrix: Hashable {
  public static func == (a: ImportanceMatrix, b: ImportanceMatrix) -> Bool { a.digest == b.digest }
  public func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}
