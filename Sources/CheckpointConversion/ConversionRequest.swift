public import CheckpointFormats
public import TensorEvaluation

/// A conversion as a user asks for it.
public struct ConversionRequest: Sendable {
  /// What to convert: anything that `Source` opens.
  public var source: String
  /// Where to.
  public var destination: String
  /// The format; nil leaves it to the destination's ending and the source's format.
  public var format: String?
  /// What writes it, where that is none of this package's targets; counts instead of `format`.
  public var target: (any ConversionTarget.Type)?
  /// Dtype, sharding, what is allowed.
  public var settings = ConversionPlan.Settings()
  /// How to open the source.
  public var openOptions: OpenOptions
  /// Where archives are unpacked to; nil is beside the destination.
  public var spoolDirectory: String?
  /// Whether to go on with an interrupted run.
  public var resume = false
  /// Whether to replace what exists, and to discard unfinished work unless it is resumed.
  public var force = false
  /// Whether the certificate shall have digests of the inputs.
  public var hashesInputs = false
  /// Runs source and result side by side at the end; nil if that wasn't asked for.
  public var validator: (any ConversionValidator)?
  /// How it was asked for, which parts note beside them for the report of their merge; nil where nobody wants to know.
  public var invocation: PartsInvocation?
  /// Memory and threads.
  public var resources: EvaluationResources

  /// A request with everything else at its default.
  public init(
    source: String, destination: String, openOptions: OpenOptions, resources: EvaluationResources
  ) {
    self.source = source
    self.destination = destination
    self.openOptions = openOptions
    self.resources = resources
  }
}
