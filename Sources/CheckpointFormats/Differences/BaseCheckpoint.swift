import FileContainers
public import TensorEvaluation
public import TensorModel

/// A checkpoint of any format as the base of others: its tensors as a store of it has them, read as if they were stored so.
///
/// These are the model's tensors under canonical names, each exactly as it is, and whatever else is stored, under its own name.
public final class BaseCheckpoint: CheckpointReader {
  /// The tensors.
  public let checkpoint: Checkpoint
  /// The checkpoint itself.
  public let source: Source
  /// What it is called: the last component of its path.
  public let hint: String
  /// Told of bytes where all of it is read.
  public let progress: WorkProgress
  /// How many of the tensors are the model's: the first ones.
  public let modelTensorCount: Int
  private let tensors: [Tensor]
  private let evaluator: PooledEvaluator

  /// How a tensor is read.
  private enum Tensor {
    case stored(Int)
    case computed(CompiledExpression)
  }

  /// Looks at an open checkpoint; one whose tensors are sums is read for what dtype these have.
  ///
  /// - Parameters:
  ///   - source: the checkpoint.
  ///   - resources: memory and threads.
  ///   - progress: told of bytes where all of it is read.
  /// - Throws: what reading throws; `unsupported` for layouts that can't be mapped, `usage` if the names depend on a configuration that is missing.
  public init(
    _ source: Source, _ resources: EvaluationResources, progress: WorkProgress = .none
  ) throws(CheckpointError) {
    let reader = source.reader
    let stored = reader.checkpoint
    let model = try source.model()
    let canonical =
      model.quantized == nil ? try model.tensors(in: model.spelling) : model.copies
    let dtypes = try ExactDTypes.of(canonical, reader, resources)
    var infos: [TensorInfo] = []
    var tensors: [Tensor] = []
    var names: Set<ExactName> = []
    var used: Set<ExactName> = []
    for tensor in canonical {
      let dtype = dtypes[ExactName(tensor.name)] ?? tensor.dtype
      let expression = try tensor.expression(as: dtype, in: stored)
      used.formUnion(expression.sources.map { ExactName($0) })
      var digest: String?
      let place: Tensor
      if case .stored(let name) = expression, let position = stored.position(of: name) {
        digest = stored.tensors[position].recordedDigest
        place = .stored(position)
      } else {
        place = .computed(try CompiledExpression(expression, in: stored))
      }
      names.insert(ExactName(tensor.name))
      infos.append(
        try TensorInfo(
          name: tensor.name, dtype: dtype, shape: tensor.shape,
          file: stored.files.first?.name ?? source.path, recordedDigest: digest))
      tensors.append(place)
    }
    modelTensorCount = infos.count
    for (position, tensor) in stored.tensors.enumerated()
    where tensor.role == .weight && !used.contains(ExactName(tensor.name))
      && names.insert(ExactName(tensor.name)).inserted
    {
      infos.append(tensor)
      tensors.append(.stored(position))
    }
    checkpoint = try Checkpoint(
      format: stored.format, layout: stored.layout, tensors: infos, files: stored.files,
      namesDiffer: false)
    self.source = source
    self.progress = progress
    hint = NamedPath.title(of: source.path)
    self.tensors = tensors
    evaluator = PooledEvaluator(reader)
  }

  /// Copies a region.
  ///
  /// - Throws: what the checkpoint's reader throws.
  public func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    do throws(CheckpointError) {
      switch tensors[position] {
      case .stored(let place): try source.reader.read(place, region, into: destination)
      case .computed(let expression):
        try evaluator.evaluate(expression, region, into: destination)
      }
    } catch { throw error.inBase(source.path) }
  }

  /// Makes sure of what a tensor was read from, as far as the format can tell.
  ///
  /// - Throws: `corrupt`, `inputOutput`.
  public func confirm(_ position: Int) throws(CheckpointError) {
    do throws(CheckpointError) {
      switch tensors[position] {
      case .stored(let place): try source.reader.confirm(place)
      case .computed(let expression):
        for place in expression.storedPositions { try source.reader.confirm(place) }
      }
    } catch { throw error.inBase(source.path) }
  }

  /// Why a stored tensor isn't what the checkpoint records.
  ///
  /// - Throws: what reading throws.
  public func cause(ofWrongDigestAt position: Int) throws(CheckpointError) -> CheckpointError? {
    guard case .stored(let place) = tensors[position] else { return nil }
    do throws(CheckpointError) { return try source.reader.cause(ofWrongDigestAt: place) } catch {
      throw error.inBase(source.path)
    }
  }
}
