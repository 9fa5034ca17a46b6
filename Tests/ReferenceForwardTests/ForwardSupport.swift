import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import ReferenceForward
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// A fixture with tokens and logits.
struct Model: Sendable, CustomTestStringConvertible {
  /// Its folder below `fixtures`.
  let folder: String
  /// The checkpoint in it; empty where it is the folder.
  var file = ""

  var testDescription: String { folder }
  var path: String { Fixtures.path(file.isEmpty ? folder : "\(folder)/\(file)") }

  static func named(_ name: String) -> Model { Model(folder: "huggingface/\(name)") }

  static let huggingFace = Fixtures.names(in: "huggingface").filter { !$0.contains(".") }
    .map(Model.named)
  /// TensorFlow's and Flax's names.
  static let foreign = Fixtures.names(in: "foreign").map { Model(folder: "foreign/\($0)") }
    .filter { Fixtures.names(in: $0.folder).contains("logits.npy") }
  static let mesh = Fixtures.names(in: "mesh-transformer")
    .filter { Fixtures.names(in: "mesh-transformer/\($0)").contains("step.tar.zstd") }
    .map { Model(folder: "mesh-transformer/\($0)", file: "step.tar.zstd") }
  static let withPrefix = huggingFace.filter {
    Fixtures.names(in: $0.folder).contains("prefix_logits.npy")
  }

  var tokens: [Int] {
    get throws { try ArrayFile(Fixtures.path("\(folder)/tokens.npy")).integers }
  }

  func reference(_ name: String = "logits") throws -> [Float] {
    try ArrayFile(Fixtures.path("\(folder)/\(name).npy")).floats
  }

  func source() throws -> Source {
    var options = OpenOptions()
    if !file.isEmpty { options.configuration = try Fixtures.bytes("\(folder)/config.json") }
    return try Source(path, options)
  }

  func decoder(threads: Int = 2, keepsWeights: Bool = false) throws -> Decoder {
    try Decoder(
      source(), EvaluationResources(memory: 64_000_000, threads: threads),
      keepsWeights: keepsWeights)
  }
}

/// A decoder of a folder.
func decoder(at path: String, keepsWeights: Bool = false) throws(CheckpointError) -> Decoder {
  try Decoder(
    Source(path), EvaluationResources(memory: 64_000_000, threads: 2), keepsWeights: keepsWeights)
}

extension Decoder {
  /// The logits of every token of all rows.
  func allLogits(_ rows: [[Int]], prefix: Int = 0) throws(CheckpointError) -> [Float] {
    let sequences = Sequences(rows.map(\.count), prefix: prefix)
    let state = try run(rows, sequences)
    let logits = FloatBuffer()
    try self.logits(state, 0..<sequences.rowCount, into: logits)
    let count = sequences.rowCount * configuration.dimensions.vocabulary
    return Array(UnsafeBufferPointer(start: logits.base, count: count))
  }
}

/// The largest distance of two lists of numbers; infinite for lists of different lengths and for NaN.
func largestDistance(_ one: [Float], _ other: [Float]) -> Double {
  guard one.count == other.count else { return .infinity }
  return zip(one, other).reduce(0) { largest, pair in
    let distance = abs(Double(pair.0) - Double(pair.1))
    return distance.isNaN ? .infinity : max(largest, distance)
  }
}

/// The error that something ends in; nil if it succeeds.
func failure<Result>(of body: () throws -> Result) -> CheckpointError? {
  do {
    _ = try body()
    return nil
  } catch { return error as? CheckpointError }
}
