import FileContainers
import Foundation
import TensorModel
import TestSupport

/// Weights, and the digests of what a library makes of them: `mx.quantize` (MLX 0.32.4, CPU), or compressed-tensors 0.20; `fixtures/README.md` says
/// from where.
struct PackingGoldens: Decodable {
  let columns: Int
  let rows: Int
  /// By dtype: of the file with the weights.
  let weights: [String: Digest]
  /// By format, dtype and part.
  let formats: [String: [String: [String: Digest]]]
  /// By dtype: the scale of the whole matrix, where a format has one.
  let tensorScale: [String: Float]?
  private var folder = ""

  private enum CodingKeys: String, CodingKey { case columns, rows, weights, formats, tensorScale }

  /// Those of the library whose arithmetic a format has.
  static func read(_ arithmetic: PackedFormat.Arithmetic) throws -> PackingGoldens {
    let name = arithmetic == .mlx ? "mlx" : "compressed-tensors"
    let bytes = try Fixtures.bytes("quantization/\(name)/manifest.json")
    var goldens = try JSONDecoder().decode(PackingGoldens.self, from: Data(bytes))
    goldens.folder = name
    return goldens
  }

  /// A checkpoint with the weights of one dtype as tensor `w`.
  func reader(_ dtype: DType) throws -> MemoryReader {
    let name = dtype.rawValue.lowercased()
    let bytes = try Fixtures.bytes("quantization/\(folder)/weights.\(name)")
    guard Digest(of: bytes) == weights[name] else { throw CocoaError(.fileReadCorruptFile) }
    return try MemoryReader([(name: "w", type: TensorType(dtype, [rows, columns]), bytes: bytes)])
  }

  /// The format with the matrix's scale, where it has one.
  func complete(_ format: PackedFormat, _ dtype: DType) -> PackedFormat {
    guard format.hasTensorScale, let scale = tensorScale?[dtype.rawValue.lowercased()] else {
      return format
    }
    return format.scaled(by: scale)
  }
}
