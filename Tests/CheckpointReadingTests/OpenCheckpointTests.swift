import CheckpointReading
import Foundation
import TestSupport
import Testing

/// Reading tensors by name, as somebody who writes a program does it.
@Suite struct OpenCheckpointTests {
  private func open(_ name: String, configuration: String? = nil) throws -> OpenCheckpoint {
    try Checkpoint.open(
      Fixtures.path(name), configuration: configuration.map { Fixtures.path($0) })
  }

  @Test func valuesAreThoseOfTheFile() throws {
    let sample = try ModelSample("gptj")
    let checkpoint = try open("huggingface/gptj")
    #expect(checkpoint.tensors.count == sample.tensors.tensors.count)
    for tensor in sample.tensors.tensors {
      let own = try #require(checkpoint[tensor.name])
      #expect(own.dtype == .f32)
      #expect(try checkpoint.floats(tensor.name) == tensor.data.numbers())
      #expect(try checkpoint.bytes(tensor.name) == Array(tensor.data))
    }
    try checkpoint.confirm()
  }

  @Test func wrongNamesGetNearOnes() throws {
    let checkpoint = try open("huggingface/gptj")
    for (name, expected, question) in [
      ("wte", "such as transformer.wte.weight", "did you mean 'transformer.wte.weight'? "),
      ("papyrus", "such as lm_head.bias", ""),
    ] {
      let error = #expect(throws: CheckpointError.self) { try checkpoint.floats(name) }
      #expect(error?.tensor == name && error?.expected == expected)
      #expect(error?.hint == "\(question)`tensors` has the names of all 35")
    }
  }

  @Test func rowsAreCountedAlongTheFirstAxis() throws {
    let checkpoint = try open("huggingface/gptj")
    for tensor in checkpoint.tensors {
      let all = try checkpoint.floats(tensor.name)
      let count = try #require(tensor.shape.dimensions.first)
      let width = all.count / count
      for rows in [0..<1, 1..<min(3, count), count - 1..<count, 0..<count, 2..<2] {
        let found = try checkpoint.floats(tensor.name, rows: rows)
        #expect(found == Array(all[rows.lowerBound * width..<rows.upperBound * width]))
        #expect(try checkpoint.bytes(tensor.name, rows: rows).count == found.count * 4)
      }
      #expect(throws: CheckpointError.self) {
        try checkpoint.floats(tensor.name, rows: 0..<count + 1)
      }
    }
  }

  @Test func everyFormatHasTheSameNamesAndValues() throws {
    let shards = "mesh-transformer/s8_trained_slim"
    let checkpoint = try open("\(shards)/step.tar.zstd", configuration: "\(shards)/config.json")
    let wte = try #require(checkpoint["transformer.wte.weight"])
    #expect(try checkpoint.floats(wte.name).count == wte.shape.elementCount)
    #expect(checkpoint.contents.format == "mesh-transformer")
  }

  @Test func quantizedWeightsHaveValues() throws {
    for name in Fixtures.names(in: "quantized") where !name.contains(".") {
      guard let checkpoint = try? open("quantized/\(name)") else { continue }
      for tensor in checkpoint.tensors where tensor.dtype.hasFloatValues {
        let values = try checkpoint.floats(tensor.name)
        #expect(values.count == tensor.shape.elementCount)
        #expect(!values.contains { !$0.isFinite })
      }
    }
  }

  @Test func errorsSayWhatThereIs() throws {
    let checkpoint = try open("huggingface/gptj")
    let error = #expect(throws: CheckpointError.self) { try checkpoint.floats("wte") }
    #expect(error?.code == .usage && error?.hint != nil)
    #expect("\(error.map { "\($0)" } ?? "")".contains("wte"))
    #expect(throws: CheckpointError.self) { try Checkpoint.open("/nowhere") }
    #expect(checkpoint["wte"] == nil)
  }
}
