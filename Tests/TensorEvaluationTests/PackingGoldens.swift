import FileContainers
import Foundation
import TensorModel
import TestSupport

/// Weights, and the digests of what `mx.quantize` (MLX 0.32.4, CPU) makes of them; `fixtures/README.md` says from where.
struct MLXGoldens: Decodable {
  let columns: Int
  let rows: Int
  /// By dtype: of the file with the weights.
  let weights: [String: Digest]
  /// By format, dtype and part.
  let formats: [String: [String: [String: Digest]]]

  static func read() throws -> MLXGoldens {
    try JSONDecoder().decode(
      MLXGoldens.self, from: Data(Fixtures.bytes("quantization/mlx/manifest.json")))
  }

  /// A checkpoint with the weights of one dtype as tensor `w`.
  func reader(_ dtype: DType) throws -> MemoryReader {
    let name = dtype.rawValue.lowercased()
    let bytes = try Fixtures.bytes("quantization/mlx/weights.\(name)")
    guard Digest(of: bytes) == weights[name] else { throw CocoaError(.fileReadCorruptFile) }
    return try MemoryReader([(name: "w", type: TensorType(dtype, [rows, columns]), bytes: bytes)])
  }
}
