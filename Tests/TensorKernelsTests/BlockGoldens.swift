import CTensorKernels
import FileContainers
import Foundation
import TestSupport

/// Rows of weights and the blocks that ggml's reference makes of them; `scripts/goldens/quantization` wrote them.
struct BlockGoldens: Decodable {
  struct File: Decodable {
    var file: String
    var digest: Digest
    /// Of the weights that blocks stand for.
    var digestOfWeights: Digest?

    /// The contents, in which nothing may have changed.
    func bytes() throws -> [UInt8] {
      let bytes = try Fixtures.bytes("quantization/\(file)")
      guard Digest(of: bytes) == digest else { throw CocoaError(.fileReadCorruptFile) }
      return bytes
    }
  }

  struct Format: Decodable, CustomStringConvertible, Sendable {
    var name: String
    var number: UInt32
    var blockLength: Int
    var blockBytes: Int
    var plain: File
    /// With importances, if the type heeds them.
    var weighted: File?

    var type: wb_block_type { wb_block_type(rawValue: number) }
    var description: String { name }
    var cases: [(file: File, isWeighted: Bool)] {
      [(plain, false)] + (weighted.map { [($0, true)] } ?? [])
    }
  }

  var columns: Int
  var rowsOfEach: Int
  var distributions: [String]
  var weights: File
  var importance: File
  var types: [Format]

  var rowCount: Int { rowsOfEach * distributions.count }

  /// The fixture; empty if it can't be read, which a test reports.
  static let all: BlockGoldens = {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let bytes = (try? Fixtures.bytes("quantization/manifest.json")) ?? []
    let goldens = try? decoder.decode(BlockGoldens.self, from: Data(bytes))
    let none = File(file: "", digest: Digest(of: []))
    return goldens
      ?? BlockGoldens(
        columns: 0, rowsOfEach: 0, distributions: [], weights: none, importance: none, types: [])
  }()

  static func floats(_ bytes: [UInt8]) -> [Float] {
    bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }
}

extension BlockGoldens.File: Sendable {}

/// Quantizes rows with one variant; what surrounds the blocks must stay as it was, and they needn't be aligned.
func quantize(
  _ level: wb_level, _ type: wb_block_type, _ rows: ArraySlice<Float>, columns: Int,
  importance: [Float]?
) -> [UInt8] {
  let margin = 3
  let size = rows.count / wb_block_length(type) * wb_block_byte_count(type)
  var bytes = [UInt8](repeating: 0xa5, count: size + 2 * margin)
  bytes.withUnsafeMutableBytes { bytes in
    rows.withUnsafeBufferPointer { rows in
      guard let blocks = bytes.baseAddress, let row = rows.baseAddress else { return }
      wb_quantize_at(
        level, type, row, rows.count / columns, columns, importance, blocks + margin)
    }
  }
  precondition((bytes.prefix(margin) + bytes.suffix(margin)).allSatisfy { $0 == 0xa5 })
  return Array(bytes.dropFirst(margin).dropLast(margin))
}

/// The weights that blocks stand for.
func dequantize(_ type: wb_block_type, _ blocks: [UInt8]) -> [Float] {
  let count = blocks.count / wb_block_byte_count(type)
  var weights = [Float](repeating: 0, count: count * wb_block_length(type))
  // Blocks needn't be aligned.
  ([0] + blocks).withUnsafeBytes { blocks in
    if let bytes = blocks.baseAddress { wb_dequantize(type, bytes + 1, count, &weights) }
  }
  return weights
}
