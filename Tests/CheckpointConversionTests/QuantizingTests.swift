import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import Quantization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Quantizing as a conversion: interrupted and resumed, in any memory, certified.
@Suite struct QuantizingTests {
  private func request(
    _ workspace: Workspace, _ name: String, _ scheme: QuantizationScheme,
    resources: EvaluationResources = smallResources
  ) -> ConversionRequest {
    CheckpointConversionTests.request(
      Fixtures.path("huggingface/gptj"), workspace.path(name), resources: resources
    ) {
      $0.format = "gguf"
      $0.settings.quantization = QuantizationRequest(scheme)
    }
  }

  @Test func resumesWithEveryFigure() throws {
    let never = Interruption(at: 0)
    let reference = try Workspace()
    try convert(request(reference, "m.gguf", .q4_0, resources: never.resources()))
    let whole = try reference.snapshot(of: "")
    #expect(Set(whole.keys) == ["m.gguf", "m.certificate.json"])
    #expect(never.callCount > 20)
    for call in stride(from: 1, through: never.callCount, by: 5) {
      let workspace = try Workspace()
      let interrupted = request(
        workspace, "m.gguf", .q4_0, resources: Interruption(at: call).resources())
      #expect(failure(of: interrupted)?.code == .interrupted)
      #expect(!workspace.has("m.gguf"))
      // Another scheme is another plan.
      var other = request(workspace, "m.gguf", .q4_1)
      other.resume = true
      #expect(failure(of: other)?.code == .conflict)
      var resumed = request(workspace, "m.gguf", .q4_0)
      resumed.resume = true
      try convert(resumed)
      #expect(try workspace.snapshot(of: "") == whole)
    }
  }

  /// Tensors of another type make another plan, though every file has the same size.
  @Test func refusesToResumeWithOtherTypesOfTheSameSize() throws {
    let workspace = try Workspace()
    func typed(_ type: String, interruptedAt call: Int = 0) throws -> ConversionRequest {
      var request = request(
        workspace, "m.gguf", .q4_0, resources: Interruption(at: call).resources())
      request.settings.quantization?.overrides = [
        try TensorTypeOverride("ffn_up=\(type)", QuantizationScheme.q4_0.container)
      ]
      return request
    }
    #expect(failure(of: try typed("f16", interruptedAt: 20))?.code == .interrupted)
    var other = try typed("bf16")
    other.resume = true
    #expect(failure(of: other)?.code == .conflict)
    var same = try typed("f16")
    same.resume = true
    try convert(same)
  }

  @Test(arguments: [QuantizationScheme.q8_0, .q5_1, .q4KM])
  func certifiesErrors(_ scheme: QuantizationScheme) throws {
    let workspace = try Workspace()
    let outcome = try convert(request(workspace, "m.gguf", scheme))
    #expect(outcome.plan.settings.quantization?.scheme == scheme)
    for tensor in outcome.certificate.tensors {
      let figures = tensor.quantization
      #expect((figures != nil) == tensor.dtype.isBlockQuantized, "\(tensor.name)")
      guard let figures else { continue }
      #expect(tensor.exactness == .rounded && tensor.overflowCount == 0)
      #expect(tensor.expression.hasPrefix("cast("))
      #expect(figures.relativeRmse > 0 && figures.relativeRmse < 0.2)
      let ratio = try #require(figures.signalToNoiseDb)
      #expect(abs(ratio + 20 * log10(figures.relativeRmse)) < 1e-3)
      #expect(figures.cosine > 0.98 && figures.cosine < 1)
      #expect(figures.largestErrorIndex.count == 2)
      #expect(zip(figures.largestErrorIndex, tensor.shape.dimensions).allSatisfy { $0 < $1 })
      #expect(figures.flushedBlockCount <= figures.zeroBlockCount)
    }
    // What is read back is what is certified.
    let source = try Source(workspace.path("m.gguf"), OpenOptions())
    for tensor in source.checkpoint.tensors {
      let record = outcome.certificate.tensors.first { $0.name == tensor.name }
      #expect(record?.dtype == tensor.dtype && record?.shape == tensor.shape)
    }
  }

  @Test func reportAddsUp() throws {
    let workspace = try Workspace()
    let request = request(workspace, "m.gguf", .q4KM)
    let outcome = try convert(request)
    let asked = try #require(request.settings.quantization)
    let report = QuantizationReport(
      outcome.plan, asked, outcome.certificate, limits: .init(maxRmse: 0.01))
    #expect(report.byteCount == report.types.reduce(0) { $0 + $1.byteCount })
    #expect(report.parameterCount == report.types.reduce(0) { $0 + $1.parameterCount })
    #expect(report.tensors.count == report.types.reduce(0) { $0 + $1.tensorCount })
    #expect(
      abs(report.bitsPerWeight - Double(8 * report.byteCount) / Double(report.parameterCount))
        < 1e-4)
    // The zero biases of the graph are F32 too.
    #expect(report.source.bitsPerWeight == 32)
    let errors = report.worstTensors.map { name in
      report.tensors.first { $0.name == name }?.errors?.relativeRmse ?? 0
    }
    #expect(errors == errors.sorted(by: >) && errors.count == 10)
    #expect(errors[0] == report.tensors.compactMap { $0.errors?.relativeRmse }.max())
    #expect(report.exceeded.map(\.limit) == ["max_rmse"])
    #expect(report.exceeded[0].tensor == report.worstTensors[0])
    // 4-bit types of rows that are too short, and the head's.
    #expect(!report.substitutions.isEmpty)
    for substitution in report.substitutions {
      #expect(!substitution.columns.isMultiple(of: substitution.wanted.groupSize ?? 1))
      #expect(substitution.columns.isMultiple(of: substitution.dtype.groupSize ?? 1))
    }
  }
}
