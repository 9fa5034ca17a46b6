import FileContainers
import Foundation
import Quantization
import TensorModel
import TestSupport

@testable import CheckpointConversion

/// Quantization reports of models that nobody has.
enum ReportSample {
  private static let kinds = [
    "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up",
    "ffn_down", "ffn_down_exps",
  ]

  /// A report.
  ///
  /// - Parameters:
  ///   - layers: of the model, of ten tensors each.
  ///   - names: of tensors outside of layers.
  ///   - isQuantized: whether matrices are cut into blocks; validated are only those models.
  ///   - limits: what errors may be at most.
  ///   - exceeding: whether the mean divergence exceeds its limit.
  ///   - errors: relative errors of tensors by name, instead of what chance gives them.
  /// - Returns: the report.
  /// - Throws: what decoding throws.
  static func report(
    layers: Int, names: [String] = ["token_embd.weight", "output.weight"], isQuantized: Bool = true,
    limits: QuantizationReport.Limits = .init(), exceeding: Bool = false,
    errors: [String: Double] = [:]
  ) throws -> QuantizationReport {
    var random = FixedRandom(seed: 7)
    let layered = (0..<layers).flatMap { layer in kinds.map { "blk.\(layer).\($0).weight" } }
    let tensors = try (names + layered).map { name in
      try tensor(
        name, isQuantized: isQuantized && !name.contains("norm"), errors[name], &random)
    }
    let worst = tensors.filter { $0.errors != nil }.sorted {
      ($0.errors?.relativeRmse ?? 0) > ($1.errors?.relativeRmse ?? 0)
    }
    let byType = Dictionary(grouping: tensors, by: \.dtype)
    let types = byType.keys.sorted { $0.name < $1.name }
    return QuantizationReport(
      source: .init(format: "safetensors", architecture: "llama", bitsPerWeight: 16),
      scheme: isQuantized ? .q4KM : .f16,
      importance: isQuantized ? .init(digest: digest, datasets: ["wiki <train>"]) : nil,
      moments: nil,
      parameterCount: tensors.reduce(0) { $0 + $1.shape.elementCount },
      byteCount: tensors.reduce(0) { $0 + $1.byteCount }, bitsPerWeight: 4.8125,
      types: types.map { type in
        let tensors = byType[type] ?? []
        return .init(
          dtype: type, tensorCount: tensors.count,
          parameterCount: tensors.reduce(0) { $0 + $1.shape.elementCount },
          byteCount: tensors.reduce(0) { $0 + $1.byteCount },
          largestRelativeRmse: tensors.compactMap { $0.errors?.relativeRmse }.max())
      },
      tensors: tensors,
      substitutions: tensors.filter { $0.name.contains("attn_q") }.map {
        .init(name: $0.name, wanted: .dtype(.q4K), dtype: .dtype(.q5_0), columns: 64)
      },
      worstTensors: worst.prefix(10).map(\.name),
      validation: !isQuantized
        ? nil
        : .init(
          tokenCount: 64, maxAbsLogitDifference: 0.59,
          klDivergence: (0.00565, 0.00479, 0.0183, 0.0183),
          negativeLogLikelihoodIncrease: 0.00196, sameTopFraction: 0.859),
      limits: limits,
      exceeded: exceeding
        ? [.init(limit: "max_kl", allowed: limits.maxKl ?? 0, found: 0.00565, tensor: nil)] : [],
      findings: [Finding(.warning, "a-check", "a warning about it", tensor: names.first)],
      files: [.init(name: "q.gguf", byteCount: 1_234_567)], root: digest)
  }

  static let digest = Digest(of: Array("weights".utf8))

  private static func tensor(
    _ name: String, isQuantized: Bool, _ given: Double?, _ random: inout FixedRandom
  ) throws -> QuantizationReport.Tensor {
    let isVector = name.contains("norm")
    let type: DType =
      isVector
      ? .f32
      : !isQuantized ? .f16 : name.contains("attn_q") ? .q5_0 : name.contains("down") ? .q6K : .q4K
    let shape = Shape(isVector ? [256] : [512, 256])
    let drawn = (type == .q6K ? 0.018 : 0.07) * (1 + Double(random.next() % 1000) / 10_000)
    let error = given ?? drawn
    let record = #"""
      {"relativeRmse": \#(error), "signalToNoiseDb": 23.1, "largestError": 0.0312,
       "largestErrorIndex": [3, 14], "cosine": 0.9975, "zeroBlockCount": 0, "flushedBlockCount": 0}
      """#
    return QuantizationReport.Tensor(
      name: name, dtype: .dtype(type), sourceDtype: .bf16, shape: shape,
      byteCount: shape.elementCount / type.blockElementCount * type.blockByteCount,
      reason: isVector ? .unquantized : .scheme,
      errors: isQuantized && !isVector
        ? try JSONDecoder().decode(QuantizationRecord.self, from: Data(record.utf8)) : nil,
      largestErrorUlp: type == .f16 ? 0.5 : isVector ? 0 : nil, digest: digest)
  }
}
