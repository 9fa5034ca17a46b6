// seeds, models: fixtures/quantized/*_* fixtures/bad/quantized/*_*
// words: Sources/CheckpointFormats/Quantized

import CheckpointFormats
import FileContainers
import Fuzzing
import TensorEvaluation
import TensorModel

/// A model of quantized weights: `CONFIG NUL FILE`, the file as it is, and with the header's length and the data's size as its text has them.
///
/// What can be read is computed, whole and in part.
@main struct QuantizedTarget: FuzzTarget {
  /// So many values of a weight are computed.
  private static let mostValues = 1 << 16

  static func use(_ input: [UInt8]) throws(CheckpointError) {
    let configuration = input.part(0, of: 2)
    let file = input.part(1, of: 2)
    attempt { () throws(CheckpointError) in try open(file, configuration) }
    try open(repaired(file), configuration)
  }

  private static func open(
    _ file: [UInt8], _ configuration: [UInt8]
  ) throws(CheckpointError) {
    let reader = try SafetensorsFormat.open(
      file: InputInMemory(file).region, name: "model.safetensors", OpenOptions())
    let model = try ModelContents(reader, .success(configuration))
    for problem in model.problems { expect(!problem.error.description.isEmpty) }
    for finding in model.findings { expect(!finding.message.isEmpty) }
    guard model.quantized != nil else { return }
    for tensor in model.tensors {
      attempt { () throws(CheckpointError) in try compute(tensor, reader) }
    }
  }

  /// Rows as a whole, and the last half of them for comparison.
  private static func compute(
    _ tensor: CanonicalTensor, _ reader: any CheckpointReader
  ) throws(CheckpointError) {
    let expression = try CompiledExpression(tensor.expression, in: reader.checkpoint)
    expect(expression.type.shape == tensor.shape)
    let text = tensor.expression.description
    let names = tensor.expression.sources
    attempt { () throws(CheckpointError) in
      expect(try TensorExpression(parsing: text, sources: names).description == text)
    }
    let geometry = expression.geometry
    guard geometry.rows > 0, geometry.rowByteCount > 0, geometry.columns <= mostValues else {
      return
    }
    let rows = min(geometry.rows, max(1, mostValues / geometry.columns))
    let whole = try bytes(
      expression, MatrixRegion(rows: 0..<rows, columns: 0..<geometry.columns), reader)
    let part = MatrixRegion(
      rows: rows / 2..<rows, columns: geometry.columns / 3..<geometry.columns)
    let some = try bytes(expression, part, reader)
    let width = part.columns.count * geometry.cellByteCount
    for (line, row) in part.rows.enumerated() {
      let start = row * geometry.rowByteCount + part.columns.lowerBound * geometry.cellByteCount
      expect(some[line * width..<(line + 1) * width] == whole[start..<start + width])
    }
  }

  private static func bytes(
    _ expression: CompiledExpression, _ region: MatrixRegion, _ reader: any CheckpointReader
  ) throws(CheckpointError) -> [UInt8] {
    let evaluator = TensorEvaluator(reader)
    let scratch = try ScratchArena(byteCount: evaluator.scratchByteCount)
    let stride = region.columns.count * expression.geometry.cellByteCount
    let room = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(1, region.rows.count * stride), alignment: 64)
    defer { room.deallocate() }
    guard let base = room.baseAddress else { return [] }
    _ = try evaluator.evaluate(
      expression, region, into: MatrixBuffer(base: base, rowStride: stride), scratch: scratch)
    return Array(room.prefix(region.rows.count * stride))
  }

  /// The text from the ninth byte to the last brace, its length before it, and as many bytes as it asks for, of the file's own where it has them.
  private static func repaired(_ file: [UInt8]) -> [UInt8] {
    guard file.count > 8 else { return file }
    let length = file[0..<8].reversed().reduce(0) { ($0 << 8 | Int($1)) & (1 << 40 - 1) }
    let end = min(8 + length, file.count)
    guard let brace = file[8..<end].lastIndex(of: UInt8(ascii: "}")) else { return file }
    let text = Array(file[8...brace])
    let ends = (try? JSONValue(parsing: text))?.members?.compactMap {
      $0.value["data_offsets"]?.elements?.last?.integer
    }
    let head = (0..<8).map { UInt8(text.count >> ($0 * 8) & 0xff) }
    let byteCount = min(max(ends?.max() ?? 0, 0), 1 << 18)
    let data = file[end...].prefix(byteCount)
    return head + text + data + [UInt8](repeating: 1, count: byteCount - data.count)
  }
}
