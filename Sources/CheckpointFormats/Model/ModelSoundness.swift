import ModelArchitectures
public import TensorModel

/// Something that is wrong with a checkpoint as a model.
public struct ModelProblem: Hashable, Sendable {
  /// The id of the finding that it is.
  public let check: String
  /// What is wrong.
  public let error: CheckpointError
  /// Whether not even a copy of the tensors may be made.
  public let isFatal: Bool
  /// Whether only other programs are misled: here the model is read as it is.
  let stopsNothing: Bool

  init(
    _ check: String, _ error: CheckpointError, isFatal: Bool = false, stopsNothing: Bool = false
  ) {
    self.check = check
    self.error = error
    self.isFatal = isFatal
    self.stopsNothing = stopsNothing
  }

  /// The problem as a finding: an error, or a warning where work goes on all the same.
  public func finding(_ severity: Finding.Severity = .error) -> Finding {
    Finding(check, error).with(severity)
  }
}

/// A checkpoint's tensors against the table of its family and the sizes of its configuration: the one check that every command relies on.
struct ModelSoundness {
  /// The tensors that the table asks for and the checkpoint has, by their places.
  private(set) var placed: [DecoderPlace: CanonicalTensor] = [:]
  /// What is wrong.
  private(set) var problems: [ModelProblem] = []
  /// Tensors that the family doesn't have.
  private(set) var findings: [Finding] = []
  /// How many tensors were looked for.
  let expectedCount: Int

  private let model: [CanonicalTensor]
  /// Places in `model`; of two tensors of a name the first.
  private let positions: [ExactName: Int]
  private let quantized: QuantizedWeights?
  private let checkpoint: Checkpoint
  private let architecture: Architecture
  private let dimensions: Architecture.Dimensions
  private let experts: ExpertSpellings

  /// Compares names and shapes.
  ///
  /// - Parameters:
  ///   - checkpoint: as it is stored.
  ///   - model: the tensors under canonical names, buffers left out.
  ///   - architecture: the family.
  ///   - dimensions: the sizes.
  ///   - experts: how they are spelled.
  ///   - configuration: says what stands on top of the decoder.
  ///   - quantized: weights that are codes.
  init(
    _ checkpoint: Checkpoint, _ model: [CanonicalTensor], _ architecture: Architecture,
    _ dimensions: Architecture.Dimensions, _ experts: ExpertSpellings,
    _ configuration: HuggingFaceConfiguration?,
    _ quantized: QuantizedWeights?
  ) {
    let head = configuration?.head ?? .languageModel
    self.checkpoint = checkpoint
    self.quantized = quantized
    self.architecture = architecture
    self.dimensions = dimensions
    self.experts = experts
    self.model = model
    positions = Dictionary(
      zip(model.lazy.map { ExactName($0.name) }, model.indices),
      uniquingKeysWith: { first, _ in first })
    let hasHead = head == .languageModel
    let all = architecture.tensors(dimensions, experts.spelling)
    let expected = hasHead ? all : all.filter { $0.row.role.projection != .head }
    expectedCount = expected.count
    var isKnown = [Bool](repeating: false, count: model.count)
    var missing: [Architecture.Tensor] = []
    // A head that is stored although it is tied, or although nobody asks for one, has its place too.
    var further: [CanonicalTensor] = []
    let optional = architecture.headTensors(dimensions).filter { !expected.contains($0) }
    for (rows, areExpected) in [(expected, true), (optional, false)] {
      for tensor in rows {
        let candidates = tensor.spellings.compactMap { positions[ExactName($0)] }
        for candidate in candidates { isKnown[candidate] = true }
        if let found = candidates.first.map({ model[$0] }) {
          if candidates.count > 1 { recordRival(model[candidates[1]], of: found) }
          placed[tensor.place] = found
          check(found, tensor)
          checkDType(found, tensor)
        } else if areExpected, !isQuantized(tensor), !isSpelledElsewhere(tensor.row) {
          missing.append(tensor)
        }
      }
    }
    record(missing, of: expected)
    // GGUF files have no place for it.
    if case .other(let name) = head, checkpoint.format != GGUFFormat.name {
      checkOtherHead(
        name, width: dimensions.model, labelCount: configuration?.labelCount)
    }
    let others = model.filter { architecture.setsAside($0.name) }
    if let first = others.first {
      findings.append(
        Finding(
          .note, "part-set-aside",
          "\(counted(others.count, "tensor")) of other parts than the language model, which are copied and compared, but neither checked nor run",
          tensor: first.name))
    }
    let strangers = Strangers(
      checkpoint, architecture, dimensions, all, furtherLayers: configuration?.furtherLayers ?? 0)
    for (place, tensor) in model.enumerated()
    where !isKnown[positions[ExactName(tensor.name)] ?? place]
      && !architecture.setsAside(tensor.name)
    {
      guard !(quantized?.parts.contains(ExactName(tensor.name)) ?? false),
        !(experts.areSeveral && strangers.isOfFamily(tensor.name)),
        !ModelHead.otherNames.contains(where: tensor.name.hasPrefix)
      else { continue }
      switch strangers.kind(of: tensor, in: file(tensor)) {
      case .problem(let problem): problems.append(problem)
      case .finding(let finding): findings.append(finding)
      case .ofFurtherLayer: further.append(tensor)
      }
    }
    if let first = further.first { findings.append(Strangers.setAside(further.count, first.name)) }
  }

  private func isQuantized(_ tensor: Architecture.Tensor) -> Bool {
    tensor.spellings.contains { quantized?.weights.contains(ExactName($0)) ?? false }
  }

  /// Whether the experts are there in several spellings, which is said once: what one lacks the others have.
  private func isSpelledElsewhere(_ row: Architecture.Row) -> Bool {
    experts.areSeveral && row.spelling != nil
  }

  /// A tensor's name for people: in GGUF files their own.
  private func name(_ tensor: Architecture.Tensor) -> String {
    guard checkpoint.format == GGUFFormat.name, let table = architecture.gguf,
      let role = tensor.row.role.ggufRoles.first
    else { return tensor.name }
    return table.name(of: role, layer: tensor.layer, dimensions)
  }

  private func file(_ tensor: CanonicalTensor) -> String? {
    tensor.expression.sources.first.flatMap(checkpoint.position).map { checkpoint.tensors[$0].file }
  }

  /// Two tensors that stand for the same parameter: programs take one or the other.
  private mutating func recordRival(_ rival: CanonicalTensor, of tensor: CanonicalTensor) {
    findings.append(
      Finding(
        .warning, "tensor-twice", "'\(tensor.name)' stands for the same parameter, and is used",
        file: file(rival), tensor: rival.name))
  }

  // MARK: Shapes

  private mutating func check(_ found: CanonicalTensor, _ tensor: Architecture.Tensor) {
    // Parts whose values can't be taken have other shapes, and it is said why.
    let isOfParts = isQuantized(tensor) && quantized?.problems.isEmpty == false
    guard found.shape != tensor.shape, !isOfParts else { return }
    let (expected, actual) = (tensor.shape.dimensions, found.shape.dimensions)
    if found.shape.elementCount == 0 {
      problems.append(
        ModelProblem(
          "data-missing",
          CheckpointError(
            .missing, "the tensor has no data", file: file(found), tensor: name(tensor),
            expected: "\(tensor.shape)", found: "\(found.shape)",
            hint:
              "programs that spread a model over machines leave such placeholders: save the whole state dict"
          ), isFatal: true))
    } else if expected.count == 2, actual == expected.reversed(), expected[0] != expected[1] {
      problems.append(
        ModelProblem(
          "tensor-transposed",
          CheckpointError(
            .malformed,
            "the matrix is transposed: its values look like another framework's under PyTorch's names",
            file: file(found), tensor: name(tensor), expected: "\(tensor.shape)",
            found: "\(found.shape)",
            hint:
              "convert the file that this one was made of: with its own names, kernels are transposed here"
          ), isFatal: true))
    } else {
      problems.append(
        ModelProblem(
          "tensor-shape",
          CheckpointError(
            .malformed, "wrong shape", file: file(found),
            tensor: name(tensor), expected: tensor.row.text(tensor.shape),
            found: "\(found.shape)", hint: "do the configuration and the weights belong together?"))
      )
    }
  }

  /// Integers in the place of a matrix are codes, and nothing says of which values.
  private mutating func checkDType(_ found: CanonicalTensor, _ tensor: Architecture.Tensor) {
    if tensor.row.role.isOfBlocks {
      guard found.dtype != .u8 else { return }
      return problems.append(
        ModelProblem(
          "tensor-dtype",
          CheckpointError(
            .malformed, "codes and scales of MXFP4 are bytes", file: file(found),
            tensor: name(tensor), expected: "U8", found: found.dtype.rawValue,
            hint: "get the file again, or convert it from the weights before quantization")))
    }
    let isInteger = [.i8, .u8, .i16, .u16, .i32, .u32, .i64, .u64, .bool].contains(found.dtype)
    guard isInteger, !isQuantized(tensor) else { return }
    problems.append(
      ModelProblem(
        "tensor-dtype",
        CheckpointError(
          .unsupported, "integers stand where the family has float weights", file: file(found),
          tensor: name(tensor), expected: "F32, F16 or BF16", found: found.dtype.rawValue,
          hint:
            "scales may be missing: get the whole checkpoint, or the weights before quantization"
        )))
  }

  // MARK: Completeness

  /// Tensors that the configuration asks for and nobody has: they would be random in any other program.
  private mutating func record(
    _ missing: [Architecture.Tensor], of expected: [Architecture.Tensor]
  ) {
    guard !missing.isEmpty else { return }
    // Most of them missing all over is another spelling, not an incomplete model.
    guard missing.count * 2 < expected.count || Self.lacksLayers(expected, missing) else {
      problems.append(
        ModelProblem(
          "unknown-names",
          CheckpointError(
            .unsupported,
            missing.count == expected.count
              ? "none of the \(expected.count) tensors that the family has was found"
              : "\(missing.count) of the \(expected.count) tensors that the family has weren't found",
            tensor: positions.keys.min()?.text,
            expected: expected.first.map { "such as '\(name($0))'" },
            hint:
              "is the configuration another model's? names are kept as they are, and other programs won't find them"
          )))
      return
    }
    for tensor in missing {
      problems.append(
        ModelProblem(
          isCompanion(tensor) ? "companion-missing" : "tensor-missing",
          CheckpointError(
            .missing, "missing: the configuration asks for it", tensor: name(tensor),
            expected: "\(tensor.shape)",
            hint:
              "nothing is made up for it: get the file again, or the configuration that belongs to it"
          ), isFatal: true))
    }
  }

  /// Whether it is codes or scales of blocks of which the other is there.
  private func isCompanion(_ tensor: Architecture.Tensor) -> Bool {
    tensor.row.role.isOfBlocks
      && placed.keys.contains {
        $0.role.isOfBlocks && $0.layer == tensor.layer
          && $0.role.projection == tensor.row.role.projection
      }
  }

  /// Whether some layers are there in full and others not at all: one shard of several.
  private static func lacksLayers(
    _ expected: [Architecture.Tensor], _ missing: [Architecture.Tensor]
  ) -> Bool {
    let places = Set(missing.map(\.place))
    let lacking = Set(missing.compactMap(\.layer))
    let found = Set(expected.filter { !places.contains($0.place) }.compactMap(\.layer))
    return !found.subtracting(lacking).isEmpty && !lacking.subtracting(found).isEmpty
  }

  /// A head for another task has weights of its own.
  private mutating func checkOtherHead(_ className: String, width: Int, labelCount: Int?) {
    let hasOne = positions.keys.contains { name in
      ModelHead.otherNames.contains(where: name.text.hasPrefix)
    }
    let score = positions[ExactName("score.weight")].map { model[$0] }
    if let score, let labelCount, let shape = try? Shape(checking: [labelCount, width]),
      score.shape != shape
    {
      problems.append(
        ModelProblem(
          "tensor-shape",
          CheckpointError(
            .malformed, "wrong shape", file: file(score), tensor: score.name,
            expected: "\(shape), labels × model", found: "\(score.shape)",
            hint: "do the configuration (id2label) and the weights belong together?")))
    }
    guard className.hasSuffix("Classification") || className.hasSuffix("QuestionAnswering"), !hasOne
    else { return }
    problems.append(
      ModelProblem(
        "tensor-missing",
        CheckpointError(
          .missing, "missing: the head that \(className) has", tensor: "score.weight",
          hint: "get the file again, or correct 'architectures' in config.json"), isFatal: true))
  }
}

extension Architecture.Row {
  /// A shape, and which settings make it: `[308, 16], vocabulary × model`.
  fileprivate func text(_ found: Shape) -> String {
    "\(found), \(shape.map(\.rawValue).joined(separator: " × "))"
  }
}
