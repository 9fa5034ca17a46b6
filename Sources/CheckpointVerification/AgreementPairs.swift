import CheckpointConversion
import CheckpointFormats
import ModelArchitectures
import Quantization
import TensorEvaluation
import TensorModel

/// The tensors of a checkpoint, each with what another one gives in its name and dtype.
struct AgreementPairs {
  /// What is compared.
  private(set) var pairs: [Pair] = []
  /// Tensors without a counterpart, and those of other shapes.
  private(set) var findings: [Finding] = []

  /// The other's configuration as the checkpoint's format has it; nil where that is its own.
  private(set) var configuration: [UInt8]?

  /// What the other gives at once, a tensor or a weight that is stored as several, and the tensors that it must be.
  struct Pair {
    /// What the model calls it.
    let name: String
    /// The other's: gives the tensors' rows one after the other.
    let expression: TensorExpression
    /// What rows consist of; nil for one tensor.
    let rowParts: RowParts?
    /// In the order of the rows.
    let tensors: [Tensor]
    /// Bytes of all rows.
    let byteCount: Int
  }

  /// A tensor of the checkpoint, and what the other gives for it.
  struct Tensor {
    let name: String
    /// The other's for it alone.
    let expression: TensorExpression
    /// Whether what is said of rounding is said of it.
    let isOfValues: Bool
    /// What it is in the checkpoint, where that isn't just what is stored under the name.
    let own: TensorExpression?
  }

  private let source: Source
  private let other: Source

  /// Pairs for two checkpoints.
  ///
  /// - Throws: what opening the other as a model throws; `malformed` where the checkpoint's own tensors have no canonical names.
  init(
    _ source: Source, _ other: Source, _ statistics: InputStatistics,
    _ resources: EvaluationResources
  ) throws(CheckpointError) {
    self.source = source
    self.other = other
    if let replanned = try Replanned.plan(
      of: other, like: source, statistics: statistics, resources)
    {
      configuration = replanned.configuration
      appendStored(replanned.weights)
    } else {
      try appendCanonical()
    }
  }

  /// Tensors as the file has them: blocks are made along its rows, which may be columns of the model's own matrices.
  private mutating func appendStored(_ weights: [Replanned.Weight]) {
    let checkpoint = source.checkpoint
    var expected: Set<ExactName> = []
    var missing: [ExactName] = []
    for weight in weights {
      expected.formUnion(weight.parts.map { ExactName($0.name) })
      if let rowParts = weight.rowParts,
        weight.parts.allSatisfy({ checkpoint.type(of: $0.name) == $0.type })
      {
        appendParts(weight, rowParts)
        continue
      }
      for part in weight.parts {
        guard let type = checkpoint.type(of: part.name) else {
          missing.append(ExactName(part.name))
          continue
        }
        append(part.name, type.shape, part.type.shape) { () throws(CheckpointError) in
          (part.expression, nil)
        }
      }
    }
    for tensor in checkpoint.tensors where !expected.contains(ExactName(tensor.name)) {
      append(tensor.name, tensor.shape, nil) { () throws(CheckpointError) in
        (nil, nil)
      }
    }
    appendMissing(missing)
  }

  /// Parts that are made of the same values are made at once.
  private mutating func appendParts(_ weight: Replanned.Weight, _ rowParts: RowParts) {
    let checkpoint = source.checkpoint
    // Names as the checkpoint has them, which are in memory once then.
    let tensors = weight.parts.compactMap { part in
      checkpoint.position(of: part.name).map {
        Tensor(
          name: checkpoint.tensors[$0].name, expression: part.expression,
          isOfValues: part.isOfValues, own: nil)
      }
    }
    append(weight.name, weight.expression, rowParts, tensors)
  }

  private mutating func append(
    _ name: String, _ expression: TensorExpression, _ rowParts: RowParts?, _ tensors: [Tensor]
  ) {
    do throws(CheckpointError) {
      let geometry = try other.checkpoint.type(of: expression).geometry
      pairs.append(
        Pair(
          name: name, expression: expression, rowParts: rowParts, tensors: tensors,
          byteCount: geometry.rows * geometry.rowByteCount))
    } catch { findings.append(Finding("against-unreadable", error.in(tensor: name))) }
  }

  private mutating func appendCanonical() throws(CheckpointError) {
    let reference = try other.model()
    let model = try source.model()
    let spelling = try Self.spelling(model, like: reference)
    var theirs = Dictionary(
      try reference.tensors(in: spelling).map { (reference.fullName(of: $0.name), $0) },
      uniquingKeysWith: { first, _ in first })
    let (ours, others) = (source.checkpoint, other.checkpoint)
    for tensor in model.tensors {
      let counterpart =
        theirs.removeValue(forKey: model.fullName(of: tensor.name))
        ?? theirs.removeValue(forKey: ExactName(tensor.name))
      append(tensor.name, tensor.shape, counterpart?.shape) { () throws(CheckpointError) in
        // What the file has is compared: taking a constant away again doesn't bring back what adding it rounded off.
        let stored = try Self.withoutConstant(tensor, in: ours)
        return (
          try counterpart.map { (found) throws(CheckpointError) in
            var expected = found
            if let constant = tensor.expression.addedConstant?.constant {
              expected = CanonicalTensor(
                name: found.name, shape: found.shape, dtype: found.dtype,
                expression: found.expression.adding(FillValue(-constant.number), found.shape))
            }
            return try Planner.expression(of: expected, as: stored.dtype, in: others)
          }, try Planner.expression(of: stored, as: stored.dtype, in: ours)
        )
      }
    }
    appendMissing(theirs.keys)
  }

  /// How experts are spelled: in another way they are the same model; a model of no known family has its names at least.
  ///
  /// - Throws: `malformed` where the reference's tensors don't fit each other.
  private static func spelling(
    _ model: ModelContents, like reference: ModelContents
  ) throws(CheckpointError) -> Architecture.ExpertSpelling? {
    guard reference.spelling != nil, let (architecture, _) = reference.sizes else { return nil }
    if let own = model.spelling { return own }
    let names = Set(model.tensors.map { ExactName($0.name) })
    for spelling in architecture.spellings {
      let theirs = try reference.tensors(in: spelling)
      if theirs.allSatisfy({ names.contains(ExactName($0.name)) }) { return spelling }
    }
    return nil
  }

  /// A tensor as it is before a constant is added; most are as they are.
  ///
  /// - Throws: `malformed` for expressions that don't fit what is stored.
  private static func withoutConstant(
    _ tensor: CanonicalTensor, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> CanonicalTensor {
    guard let operand = tensor.expression.addedConstant?.operand else { return tensor }
    return CanonicalTensor(
      name: tensor.name, shape: tensor.shape,
      dtype: try checkpoint.type(of: operand).dtype, expression: operand)
  }

  private mutating func append(
    _ name: String, _ shape: Shape, _ theirs: Shape?,
    _ expressions: () throws(CheckpointError) -> (
      expected: TensorExpression?, found: TensorExpression?
    )
  ) {
    guard let theirs else {
      findings.append(
        Finding(.error, "against-extra", "the other has no such tensor", tensor: name))
      return
    }
    guard theirs == shape else {
      findings.append(
        Finding(.error, "against-shape", "shape \(shape), the other has \(theirs)", tensor: name))
      return
    }
    do throws(CheckpointError) {
      let (expected, found) = try expressions()
      guard let expected else { return }
      append(
        name, expected, nil,
        [Tensor(name: name, expression: expected, isOfValues: true, own: found)])
    } catch { findings.append(Finding("against-unreadable", error.in(tensor: name))) }
  }

  private mutating func appendMissing(_ names: some Sequence<ExactName>) {
    for name in names.sorted() {
      findings.append(
        Finding(.error, "against-missing", "missing: the other has this tensor", tensor: name.text))
    }
  }
}
