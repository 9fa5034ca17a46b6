import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import Quantization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Codes and scales that another format has too are moved: no weight is quantized a second time.
@Suite struct RepackingTests {
  /// A weight of each kind that can be repacked, by the folder of `fixtures/quantized`, with the format that has the same numbers.
  private static let pairs: [(folder: String, format: String)] = [
    ("mlx_llama_mxfp4", "mxfp4a16"), ("ct_llama_mxfp4a16", "mlx-mxfp4"),
    ("mlx_qwen2_mxfp8", "mxfp8a16"), ("ct_llama_mxfp8a16", "mlx-mxfp8"),
    ("mlx_gptj_nvfp4", "nvfp4a16"), ("ct_llama_w4a16_g128", "mlx-q4-g128"),
    ("ct_qwen2_w8a16", "mlx-q8-g128"), ("gptq_v1_llama", "mlx-q4-g32"),
    ("gptq_v1_llama", "w4a16-g32"), ("gptq_v2_gptj", "w4a16-g32"),
    ("gptq_v1_8bit_qwen2", "w8a16-channel"), ("gptq_mislabelled_qwen2", "mlx-q4-g128"),
  ]

  private static func planner(_ source: Source) -> Planner {
    Planner(source, ConversionPlan.Settings(), smallResources)
  }

  @Test(arguments: pairs) func sameNumbersInOtherParts(
    _ pair: (folder: String, format: String)
  ) throws {
    let source = try Source(Fixtures.path("quantized/\(pair.folder)"), OpenOptions())
    let weight = try #require(
      try source.model().tensors.first { $0.shape.rank == 2 && $0.expression.sources.count > 1 })
    let format = try #require(PackedFormat(named: pair.format))
    let quantization = ConversionPlan.Quantization(
      choice: TypeChoice(.packed(format), wanted: .packed(format), .scheme),
      values: TensorType(.f32, weight.shape))
    let stored = try #require(
      try StoredWeight.reused(
        weight.expression, format, named: weight.name, quantization, from: Self.planner(source)
      ) { $0.rawValue })
    #expect(stored.parts.map(\.name) == format.parts.map(\.rawValue))
    #expect(stored.parts[0].expression.isRepacked)
    // What the parts stand for, read as the other format's.
    var files: [(name: String, type: TensorType, bytes: [UInt8])] = []
    for part in stored.parts {
      let type = try part.expression.type { source.checkpoint.type(of: $0) }
      #expect(type == part.type)
      #expect(
        try TensorExpression(
          parsing: part.expression.description, sources: part.expression.sources)
          == part.expression)
      files.append((part.name, type, try evaluated(part.expression, source.reader)))
    }
    let values = try evaluated(weight.expression, source.reader)
    let again = try MemoryReader(files)
    let found = try evaluated(
      Self.values(format, weight.shape, scales: files[1].type.dtype), again)
    #expect(found == values)
    // All parts at once, as they are written.
    let whole = try evaluated(stored.expression, source.reader)
    #expect(
      whole.count
        == stored.rowParts?.parts.reduce(0) { $0 + $1.byteCount * weight.shape.dimensions[0] })
  }

  /// The values of a format's parts, by their names.
  private static func values(
    _ format: PackedFormat, _ shape: Shape, scales: DType
  ) -> TensorExpression {
    let group = format.groupSize ?? shape.dimensions[1]
    let groups = Shape([shape.dimensions[0], shape.dimensions[1] / group])
    func spread(_ operand: TensorExpression) -> TensorExpression {
      .spread(operand, shape, block: [1, group])
    }
    func decoded(_ name: String, _ code: PackedCode, _ shape: Shape) -> TensorExpression {
      .decode(.stored(name), code, shape, axis: 1)
    }
    switch format.coding {
    case .affine:
      let codes = decoded("codes", .unsigned(bits: format.bits), shape)
      return .sum([
        .combine(.product, codes, spread(.stored("scales"))), spread(.stored("biases")),
      ])
    case .symmetric:
      return .combine(
        .product, decoded("codes", .excess(bits: format.bits), shape), spread(.stored("scales")))
    case .mxfp8:
      return .combine(
        .product, decoded("codes", .e4m3, shape), spread(decoded("scales", .e8m0, groups)))
    case .nvfp4:
      return .combine(
        .product, decoded("codes", .fp4, shape), spread(decoded("scales", .e4m3, groups)))
    default:
      return .combine(
        .product, decoded("codes", .fp4, shape), spread(decoded("scales", .e8m0, groups)))
    }
  }

  /// A scheme that the source is in already changes nothing.
  @Test(arguments: [
    ("ct_llama_w4a16_g128", "w4a16-g128"), ("ct_llama_fp8_block", "fp8-block"),
    ("ct_llama_fp8_dynamic", "fp8"), ("ct_gptj_w8a8", "w8a8"), ("ct_qwen2_nvfp4a16", "nvfp4a16"),
    ("ct_llama_mxfp8a16", "mxfp8a16"), ("mlx_llama_q4_g64", "mlx-q4-g64"),
  ])
  func partsThatAreThereStay(_ folder: String, _ name: String) throws {
    let source = try Source(Fixtures.path("quantized/\(folder)"), OpenOptions())
    let model = try source.model()
    let format = try #require(PackedFormat(named: name))
    let quantized = model.tensors.filter { $0.expression.sources.count > 1 }
    #expect(!quantized.isEmpty)
    for tensor in quantized {
      let module = StoredWeight.module(of: tensor.name)
      let quantization = ConversionPlan.Quantization(
        choice: TypeChoice(.packed(format), wanted: .packed(format), .scheme),
        values: TensorType(.f32, tensor.shape))
      let kept = try #require(
        try StoredWeight.reused(
          tensor.expression, format, named: tensor.name, quantization,
          from: Self.planner(source)
        ) {
          format.arithmetic == .mlx
            ? $0 == .codes ? tensor.name : "\(module).\($0.rawValue)"
            : "\(module).\(format.partName($0))"
        })
      #expect(kept.outputs.count == format.parts.count)
      #expect(kept.outputs.allSatisfy { $0.expression == .stored($0.name) })
      let other = try #require(PackedFormat(named: name == "fp8" ? "w8a8" : "fp8"))
      #expect(
        try StoredWeight.reused(
          tensor.expression, other, named: tensor.name, quantization,
          from: Self.planner(source)
        ) { "\(module).\(other.partName($0))" } == nil)
    }
  }

  /// Symmetric integers become MLX's affine ones, and these, whose biases are half the range, become symmetric again.
  @Test func symmetricIntegersGoThereAndBack() throws {
    let room = try Workspace()
    func quantized(_ source: String, _ name: String, _ scheme: String) throws -> Certificate {
      let scheme = try #require(QuantizationScheme(named: scheme))
      return try convert(
        request(source, room.path(name)) {
          $0.format = scheme.container.format
          $0.settings.quantization = QuantizationRequest(scheme)
          $0.settings.dtype = name == "first" ? .bf16 : nil
        }
      ).certificate
    }
    let first = try quantized(Fixtures.path("huggingface/llama"), "first", "w4a16-g32")
    _ = try quantized(room.path("first"), "mlx", "mlx-q4-g32")
    let back = try quantized(room.path("mlx"), "back", "w4a16-g32")
    let packed = back.tensors.filter { $0.name.hasSuffix("_packed") }
    #expect(!packed.isEmpty)
    #expect(packed.allSatisfy { $0.exactness == .repacked })
    for record in first.tensors where record.name.contains("_proj.") {
      let other = try #require(back.tensors.first { $0.name == record.name })
      #expect(record.digest == other.digest, "\(record.name)")
    }
    for (name, against) in [("mlx", "first"), ("back", "mlx")] {
      let report = try Verifier(room.path(name), OpenOptions(), smallResources)
        .run(against: try Source(room.path(against), OpenOptions()))
      #expect(!report.findings.contains { $0.severity == .error }, "\(report.findings)")
    }
  }

  /// Zero points of any kind, and biases that no zero point is.
  @Test(arguments: [
    ("gptq_v2_asym_llama", "mlx-q4-g32"), ("gptq_v2_asym_llama", "w4a16-g32"),
    ("awq_llama", "mlx-q4-g128"), ("awq_llama", "mlx-q4-g32"),
    ("gptq_act_order_llama", "mlx-q4-g64"), ("mlx_gpt2_q4_g32", "w4a16-g32"),
    ("ct_llama_w4a16_asym", "mlx-q4-g128"), ("ct_llama_w4a16_asym", "w4a16-g128"),
  ])
  func valuesDecideWhatIsSymmetric(_ folder: String, _ name: String) throws {
    let source = try Source(Fixtures.path("quantized/\(folder)"), OpenOptions())
    let format = try #require(PackedFormat(named: name))
    for tensor in try source.model().tensors where tensor.shape.rank == 2 {
      let repacking = Repacking(
        tensor.expression, tensor.shape, format, as: nil, type: source.checkpoint.type)
      #expect(
        try repacking?.condition.holds(source.reader, smallResources) != true, "\(tensor.name)")
    }
  }

  /// Scales that are no numbers are looked at like weights, which may be none.
  @Test(arguments: ["warn_ct_nan", "warn_gptq_nan", "warn_mlx_mxfp4_nan", "warn_ct_nvfp4_nan"])
  func scalesThatAreNoNumbersAreNotMoved(_ name: String) throws {
    let source = try Source(Fixtures.path("bad/quantized/\(name)"), OpenOptions())
    for tensor in try source.model().tensors where tensor.shape.rank == 2 {
      for format in PackedFormat.all {
        let repacking = Repacking(
          tensor.expression, tensor.shape, format, as: nil, type: source.checkpoint.type)
        #expect(try repacking?.condition.holds(source.reader, smallResources) != true, "\(format)")
      }
    }
  }

  /// Formats that have the numbers of blocks.
  private static let ofBlocks: [(dtype: DType, format: String)] = [
    (.q4_0, "mlx-q4-g32"), (.q4_0, "w4a16-g32"), (.q4_1, "mlx-q4-g32"), (.q5_0, "mlx-q5-g32"),
    (.q5_1, "mlx-q5-g32"), (.q8_0, "mlx-q8-g32"), (.mxfp4, "mlx-mxfp4"), (.mxfp4, "mxfp4a16"),
  ]

  /// Blocks of random codes, in one order of rows or another, go into the parts of another format and become the same blocks again.
  @Test(arguments: ofBlocks, [false, true]) func blocksGoThereAndBack(
    _ pair: (dtype: DType, format: String), isPermuted: Bool
  ) throws {
    let blocks = try #require(BlockParts(pair.dtype))
    let format = try #require(PackedFormat(named: pair.format))
    let shape: Shape = [6, 96]
    var random = FixedRandom(seed: 7)
    var bytes: [UInt8] = []
    for index in 0..<18 {
      var block = random.bytes(pair.dtype.blockByteCount)
      // Scales of either sign, none of them NaN.
      let scale = Float16(index - 7) / 64
      if blocks.isOfIntegers {
        withUnsafeBytes(of: scale.bitPattern.littleEndian) {
          block.replaceSubrange(0..<2, with: $0)
        }
      } else {
        block[0] = UInt8(100 + index)
      }
      if blocks.hasBiases {
        withUnsafeBytes(of: (scale * -3 + 1).bitPattern.littleEndian) {
          block.replaceSubrange(2..<4, with: $0)
        }
      }
      bytes += block
    }
    let reader = try MemoryReader([("t", TensorType(pair.dtype, shape), bytes)])
    let permutation = RowPermutation(.halves(rotated: 2), groupCount: 2, groupRowCount: 3)
    let source: TensorExpression =
      isPermuted ? .permuteRows(.stored("t"), permutation) : .stored("t")
    let type: (String) -> TensorType? = { reader.checkpoint.type(of: $0) }
    let there = try #require(Repacking(source, shape, format, as: nil, type: type))
    #expect(try there.condition.holds(reader, smallResources))
    #expect(there.parts[0].expression.isRepacked)
    let files = try zip(format.parts, there.parts).map { part, moved in
      (
        part.rawValue, try moved.expression.type(stored: type),
        try evaluated(moved.expression, reader)
      )
    }
    let apart = try MemoryReader(files)
    let values = Self.values(format, shape, scales: there.dtype)
    // Numbers are the same; which zeros are negative may not be.
    func numbers(_ bytes: [UInt8]) -> [Float] {
      bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }
    #expect(
      try numbers(evaluated(values, apart)) == numbers(evaluated(.cast(source, .f32), reader)))
    let back = try #require(
      Repacking.blocks(values, shape, blocks) { apart.checkpoint.type(of: $0) })
    #expect(try back.condition.holds(apart, smallResources))
    #expect(back.expression.isRepacked)
    #expect(try evaluated(back.expression, apart) == evaluated(source, reader))
    // In another order of rows.
    let turned = try #require(
      Repacking.blocks(.permuteRows(values, permutation), shape, blocks) {
        apart.checkpoint.type(of: $0)
      })
    #expect(
      try evaluated(turned.expression, apart)
        == evaluated(.permuteRows(source, permutation), reader))
  }

  /// Biases without a place in F16, scales that F16 rounds, and biases where blocks have none.
  @Test func numbersThatBlocksCanNotHaveAreNotMoved() throws {
    let shape: Shape = [1, 32]
    func bytes(_ value: Float16) -> [UInt8] { withUnsafeBytes(of: value.bitPattern) { Array($0) } }
    let codes = [UInt8](repeating: 0x5a, count: 16)
    let large = try MemoryReader([("t", TensorType(.q4_0, shape), bytes(9000) + codes)])
    let format = try #require(PackedFormat(named: "mlx-q4-g32"))
    let moved = try #require(
      Repacking(.stored("t"), shape, format, as: nil) { large.checkpoint.type(of: $0) })
    #expect(try !moved.condition.holds(large, smallResources))
    for (scale, bias, dtype, holds) in [
      (UInt16(0x3f80), UInt16(0xc100), DType.q4_0, true), (0x3f80, 0xc100, .q4_1, true),
      (0x3f80, 0x3f80, .q4_0, false), (0x3f80, 0x3f80, .q4_1, true), (0x7f00, 0, .q4_1, false),
      (0x0001, 0, .q4_1, false), (0x7fc0, 0, .q4_1, false),
    ] {
      func part(_ bits: UInt16) -> [UInt8] { [UInt8(bits & 0xff), UInt8(bits >> 8)] }
      let apart = try MemoryReader([
        ("codes", TensorType(.u32, [1, 4]), codes),
        ("scales", TensorType(.bf16, [1, 1]), part(scale)),
        ("biases", TensorType(.bf16, [1, 1]), part(bias)),
      ])
      let blocks = try #require(BlockParts(dtype))
      let repacked = try #require(
        Repacking.blocks(Self.values(format, shape, scales: .bf16), shape, blocks) {
          apart.checkpoint.type(of: $0)
        })
      #expect(try repacked.condition.holds(apart, smallResources) == holds, "\(scale) \(bias)")
    }
  }

  /// A whole file of blocks, by a conversion, and what it claims.
  @Test func aFileOfBlocksIsRepacked() throws {
    let room = try Workspace()
    let scheme = try #require(QuantizationScheme(named: "mlx-q4-g32"))
    let file = Fixtures.path("gguf/mistral_window.Q4_0.gguf")
    let certificate = try convert(
      request(file, room.path("mlx")) {
        $0.format = scheme.container.format
        $0.settings.quantization = QuantizationRequest(scheme)
      }
    ).certificate
    let repacked = certificate.tensors.filter { $0.exactness == .repacked }
    #expect(repacked.contains { $0.name.hasSuffix("q_proj.weight") })
    let report = try Verifier(room.path("mlx"), OpenOptions(), smallResources)
      .run(against: try Source(file, OpenOptions()))
    #expect(!report.findings.contains { $0.severity == .error }, "\(report.findings)")
  }

  @Test func otherNumbersAreNotRepacked() throws {
    for (folder, name) in [
      ("ct_llama_w4a16_g128", "mlx-q4-g64"), ("ct_llama_w4a16_g128", "mlx-q8-g128"),
      ("ct_llama_w4a16_g128", "w4a16-g32"),
      ("mlx_llama_mxfp4", "nvfp4a16"), ("mlx_llama_q4_g64", "w4a16-g32"),
      ("ct_qwen2_nvfp4a16", "mlx-nvfp4"), ("gptq_v1_llama", "mlx-q4-g128"),
    ] {
      let source = try Source(Fixtures.path("quantized/\(folder)"), OpenOptions())
      let format = try #require(PackedFormat(named: name))
      for tensor in try source.model().tensors {
        #expect(
          Repacking(
            tensor.expression, tensor.shape, format, as: nil, type: source.checkpoint.type) == nil,
          "\(folder) \(name)")
      }
    }
  }
}

/// The bytes of an expression's result.
private func evaluated(
  _ expression: TensorExpression, _ reader: any CheckpointReader
) throws -> [UInt8] {
  let compiled = try CompiledExpression(expression, in: reader.checkpoint)
  let evaluator = TensorEvaluator(reader)
  let scratch = try ScratchArena(byteCount: evaluator.scratchByteCount)
  var bytes = [UInt8](
    repeating: 0, count: compiled.geometry.rows * compiled.geometry.rowByteCount)
  try bytes.withUnsafeMutableBytes { buffer in
    guard let base = buffer.baseAddress else { return }
    _ = try evaluator.evaluate(
      compiled, compiled.geometry.whole,
      into: MatrixBuffer(base: base, rowStride: compiled.geometry.rowByteCount), scratch: scratch)
  }
  return bytes
}
