import CheckpointFormats
import Foundation
import ModelArchitectures
import ReferenceForward
import Synchronization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Several batches that go through a layer at once.
struct BatchTests {
  private func decoder(
    _ source: Source, _ reader: any CheckpointReader, memory: Int = 64_000_000
  ) throws -> Decoder {
    try Decoder(
      DecoderWeights(
        reader, source.model(), source.computation(for: "a test").decoder),
      EvaluationResources(memory: memory, threads: 2))
  }

  private func rows(_ model: Model, _ limit: Int) throws -> [[Int]] {
    let tokens = try model.tokens
    return (0..<limit).map { Array(tokens[$0..<min(tokens.count, $0 + 3 + 2 * $0)]) }
  }

  private func states(_ decoder: Decoder, _ rows: [[Int]]) throws -> [Decoder.State] {
    try rows.map { try decoder.embed([$0], Sequences([$0.count])) }
  }

  private func bytes(_ states: [Decoder.State], _ decoder: Decoder) -> [Data] {
    states.map {
      Data(
        bytes: $0.hidden.base,
        count: $0.sequences.rowCount * decoder.configuration.dimensions.model * 4)
    }
  }

  /// Every order in which a layer adds up its parts, and mixtures; memory for all tokens of an expert, and for those of one batch only.
  @Test(
    arguments: [
      "gptj", "llama", "falcon", "falcon_new_decoder", "olmo2", "gemma2", "mixtral",
      "mixtral_stacked", "qwen3_moe", "gpt_oss", "gpt_oss_mxfp4",
    ], [64_000_000, 3_000_000])
  func computeWhatEachDoesAlone(_ name: String, _ memory: Int) throws {
    let model = Model.named(name)
    let source = try model.source()
    let decoder = try decoder(source, source.reader, memory: memory)
    let rows = try rows(model, 4)
    let (alone, together) = (try states(decoder, rows), try states(decoder, rows))
    for layer in 0..<decoder.configuration.dimensions.layers {
      for state in alone { try decoder.runLayer(layer, state) }
      var done = 0
      try decoder.runLayer(layer, together) { _ in done += 1 }
      #expect(done == rows.count)
    }
    #expect(bytes(alone, decoder) == bytes(together, decoder))
  }

  @Test(arguments: ["llama", "mixtral", "mixtral_stacked", "qwen3_moe", "gpt_oss_mxfp4"])
  func readWeightsOnce(_ name: String) throws {
    let model = Model.named(name)
    let source = try model.source()
    let reader = CountingReader(source.reader)
    let decoder = try decoder(source, reader)
    let row = Array(try model.tokens.prefix(6))
    func byteCount(_ batchCount: Int) throws -> Int {
      let states = try states(decoder, Array(repeating: row, count: batchCount))
      let before = reader.byteCount
      for layer in 0..<decoder.configuration.dimensions.layers {
        try decoder.runLayer(layer, states)
      }
      return reader.byteCount - before
    }
    let once = try byteCount(1)
    #expect(once > 0)
    #expect(try byteCount(3) == once)
  }
}

/// Counts the bytes that are read of another reader's tensors.
private final class CountingReader: CheckpointReader {
  private let reader: any CheckpointReader
  private let count = Mutex(0)

  init(_ reader: any CheckpointReader) { self.reader = reader }

  var byteCount: Int { count.withLock { $0 } }
  var checkpoint: Checkpoint { reader.checkpoint }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let tensor = checkpoint.tensors[position]
    let cell = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape).cellByteCount
    count.withLock { $0 += region.cellCount * cell }
    try reader.read(position, region, into: destination)
  }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    try reader.canonicalTensors()
  }
}
