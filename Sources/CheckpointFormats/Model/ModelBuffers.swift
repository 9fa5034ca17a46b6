import FileContainers
import Foundation
import ModelArchitectures
import TensorModel

/// What a model's code makes anew when it is loaded, and older versions of transformers stored all the same: masks, their filler and rotary tables.
///
/// They are weights in no sense, but can say something that nothing else says.
struct ModelBuffers {
  /// Names of stored tensors that are buffers and no more than what the model's code makes.
  private(set) var dropped: Set<ExactName> = []
  /// What the masks say; nil if there are none, or none that can be told.
  private(set) var attention: AttentionMode?
  /// Whether masks say something that can't be expressed.
  private(set) var hasOtherMasks = false
  /// What is said of them.
  private(set) var findings: [Finding] = []
  /// Buffers that change what the model computes, in a way that nothing here can express.
  private(set) var problems: [CheckpointError] = []

  private let reader: any CheckpointReader
  private let configuration: DecoderConfiguration?

  private static let modules = [".attn", ".attn.attention", ".attention"]

  /// Looks through a checkpoint's tensors, reading those that are buffers.
  ///
  /// - Parameters:
  ///   - reader: of the checkpoint.
  ///   - configuration: of the model, if it is known; tensors of other families are left alone.
  /// - Throws: what reading throws.
  init(
    _ reader: any CheckpointReader, _ configuration: DecoderConfiguration?
  ) throws(CheckpointError) {
    self.reader = reader
    self.configuration = configuration
    try classifyMasks()
    try classifyFillers()
    try classifyRotaryTables()
  }

  private func positions(
    _ name: String, _ modules: [String], where isOne: (TensorInfo) -> Bool
  ) -> [Int] {
    let suffixes = modules.map { "\($0).\(name)" }
    let tensors = reader.checkpoint.tensors
    return tensors.indices.filter { position in
      tensors[position].role == .weight
        && suffixes.contains { tensors[position].name.hasSuffix($0) } && isOne(tensors[position])
    }
  }

  private mutating func classifyMasks() throws(CheckpointError) {
    var kinds: [AttentionMask: [TensorInfo]] = [:]
    for position in positions("bias", Self.modules, where: AttentionMask.hasForm) {
      let tensor = reader.checkpoint.tensors[position]
      var mask = try AttentionMask(reader, position)
      switch mask {
      case .window(let width) where isWindow(width, tensor.name): mask = .causal
      // A mask that sees everything where the configuration has a narrower window isn't the default.
      case .causal:
        if let width = window(tensor.name), width < tensor.shape.dimensions.last ?? 0 {
          mask = .other
        }
      // Matrices that are no mask may be parameters; masks as models make them have four dimensions.
      case .other where tensor.shape.rank < 4: continue
      default: break
      }
      kinds[mask, default: []].append(tensor)
    }
    let causal = kinds.removeValue(forKey: .causal) ?? []
    let full = kinds.removeValue(forKey: .full) ?? []
    let others = kinds.values.joined().sorted { ExactName($0.name) < ExactName($1.name) }
    guard others.isEmpty, causal.isEmpty || full.isEmpty else {
      let first = others.first ?? full[0]
      hasOtherMasks = true
      problems.append(
        CheckpointError(
          .unsupported,
          others.isEmpty
            ? "some attention masks are causal, others all ones"
            : "an attention mask that is neither the default one nor all ones", file: first.file,
          tensor: first.name,
          hint:
            "what such a model computes can't be expressed here; to give the masks up on purpose, remove them from the file"
        ))
      return
    }
    drop(causal, "attention masks that are the default, causal ones", "default-buffer")
    drop(
      full, "attention masks that are all ones: the prompt is seen as a whole (prefix attention)",
      "prefix-attention")
    attention = full.isEmpty ? (causal.isEmpty ? nil : .causal) : .prefix
  }

  /// Whether a layer sees only so many tokens, as far as the configuration is known.
  private func isWindow(_ width: Int, _ name: String) -> Bool {
    configuration == nil ? name.hasSuffix(".attn.attention.bias") : window(name) == width
  }

  /// How many tokens the layer of a tensor sees by the configuration; nil without a limit.
  private func window(_ name: String) -> Int? {
    let numbers = name.utf8.split(separator: UInt8(ascii: ".")).compactMap {
      Int(String(decoding: $0, as: UTF8.self))
    }
    guard let configuration, let layer = numbers.first,
      configuration.windows.indices.contains(layer)
    else { return nil }
    return configuration.windows[layer]
  }

  /// The number that masked scores are set to: far below any score.
  private mutating func classifyFillers() throws(CheckpointError) {
    var defaults: [TensorInfo] = []
    let found = positions("masked_bias", Self.modules) {
      $0.dtype.isCastable && $0.shape.elementCount == 1
    }
    for position in found {
      let tensor = reader.checkpoint.tensors[position]
      let value = try values(position)[0]
      // BF16 has -9984 instead of -10000.
      if value <= -9984 {
        defaults.append(tensor)
      } else {
        problems.append(
          CheckpointError(
            .unsupported, "masked scores are not set to a number far below all others",
            file: tensor.file, tensor: tensor.name, expected: "at most -10000", found: "\(value)"))
      }
    }
    drop(
      defaults, "numbers for masked scores, as every model of the family has them", "default-buffer"
    )
  }

  private mutating func classifyRotaryTables() throws(CheckpointError) {
    guard let rotary = configuration?.rotary else { return }
    var defaults: [TensorInfo] = []
    let found = positions("inv_freq", [".rotary_emb"]) {
      $0.dtype.isCastable && $0.shape.rank == 1
    }
    for position in found {
      let tensor = reader.checkpoint.tensors[position]
      let values = try values(position)
      // What is scaled when a model is loaded was stored before.
      let known = [rotary.frequencies, rotary.unscaledFrequencies]
      if known.contains(where: { Self.agree(values, $0, in: tensor.dtype) }) {
        defaults.append(tensor)
      } else {
        problems.append(
          CheckpointError(
            .unsupported, "a table of rotary frequencies that isn't the configuration's",
            file: tensor.file, tensor: tensor.name,
            expected:
              "\(rotary.frequencies.count) frequencies from \(rotary.frequencies.first ?? 0) to \(rotary.frequencies.last ?? 0)",
            found: "\(values.count) from \(values.first ?? 0) to \(values.last ?? 0)",
            hint: "does the config.json belong to the file?"))
      }
    }
    drop(
      defaults, "tables of rotary frequencies, which follow from the configuration",
      "default-buffer")
  }

  /// Whether stored values are given ones, rounded.
  private static func agree(_ values: [Double], _ expected: [Double], in dtype: DType) -> Bool {
    values.count == expected.count
      && zip(values, expected).allSatisfy {
        abs($0 - $1) <= 2 * dtype.relativeSpacing * $1 + dtype.smallestSpacing
      }
  }

  private mutating func drop(_ tensors: [TensorInfo], _ what: String, _ check: String) {
    guard let first = tensors.first else { return }
    dropped.formUnion(tensors.map { ExactName($0.name) })
    let severity: Finding.Severity = check == "prefix-attention" ? .warning : .note
    findings.append(
      Finding(
        severity, check,
        check == "prefix-attention"
          ? "\(what) (\(counted(tensors.count, "tensor")))"
          : "left out: \(what) (\(counted(tensors.count, "tensor")))", file: first.file,
        tensor: first.name))
  }

  /// All values of a small float tensor.
  private func values(_ position: Int) throws(CheckpointError) -> [Double] {
    let dtype = reader.checkpoint.tensors[position].dtype
    var bytes: [UInt8] = []
    try StoredRun(reader, position).forEach { (piece) in
      bytes.append(contentsOf: piece)
      return bytes.count < Self.maximumTableByteCount
    }
    return dtype.numbers(bytes)
  }

  private static let maximumTableByteCount = 1 << 20
}

extension DType {
  /// The distance of neighbouring values, relative to their size.
  fileprivate var relativeSpacing: Double {
    switch self {
    case .f16: 0x1p-10
    case .bf16: 0x1p-7
    default: 0x1p-20  // Powers of different libraries differ in more than the last bit.
    }
  }

  /// The distance of the values next to 0.
  fileprivate var smallestSpacing: Double { self == .f16 ? 0x1p-24 : 0 }

  /// Numbers of a castable dtype from their little-endian bytes.
  func numbers(_ bytes: [UInt8]) -> [Double] {
    let size = blockByteCount
    return stride(from: 0, to: bytes.count - bytes.count % size, by: size).map { start in
      let bits = bytes[start..<start + size].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return switch self {
      case .f64: Double(bitPattern: bits)
      case .f32: Double(Float(bitPattern: UInt32(bits)))
      case .bf16: Double(Float(bitPattern: UInt32(bits) << 16))
      default: Double(half: UInt16(truncatingIfNeeded: bits))
      }
    }
  }
}

extension Double {
  /// The value of a binary16.
  fileprivate init(half bits: UInt16) {
    let (exponent, fraction) = (Int(bits >> 10 & 0x1f), Double(bits & 0x3ff))
    let magnitude: Double =
      switch exponent {
      case 0: fraction * 0x1p-24
      case 31: fraction == 0 ? .infinity : .nan
      default: (1 + fraction / 1024) * pow(2, Double(exponent - 15))
      }
    self = bits & 0x8000 == 0 ? magnitude : -magnitude
  }
}
