public import TensorModel

/// How a framework names the parameters of a model, and how their values lie.
///
/// Names and layouts are those of transformers' classes for the framework. `parameter` says what a stored tensor is in PyTorch's naming,
/// the canonical one. The raw values are what transformers writes as `format` into the metadata of safetensors.
public enum ParameterNaming: String, Sendable, Hashable, CaseIterable {
  /// `transformer.h.0.attn.q_proj.weight`, linear layers `[out, in]`.
  case pytorch = "pt"
  /// `transformer/h_._0/attn/q_proj/kernel:0`, linear layers `[in, out]`.
  case tensorFlow = "tf"
  /// `transformer.h.0.attn.q_proj.kernel`, or with slashes; linear layers `[in, out]`.
  case flax

  /// The naming that a checkpoint's tensors are in.
  ///
  /// - Parameters:
  ///   - tensors: all weights of a checkpoint.
  ///   - format: `format` of the metadata, if there is one.
  /// - Throws: `malformed` for names of several namings.
  public init(of tensors: [TensorInfo], format: String?) throws(CheckpointError) {
    let isPlain = tensors.allSatisfy {
      !$0.name.hasSuffix("kernel") && !$0.name.hasSuffix(Self.variableEnding)
    }
    guard !isPlain || format == Self.flax.rawValue else {
      self = .pytorch
      return
    }
    try self.init(evidenceOf: tensors, format: format)
  }

  /// What is wrong with the metadata's `format`, for which `mlx` and others are PyTorch's names too.
  ///
  /// - Parameter format: of the metadata, if there is one.
  /// - Returns: a warning; nil if names and metadata agree.
  public func disagreement(with format: String?) -> Finding? {
    let named = format.flatMap(ParameterNaming.init)
    guard named != self, self != .pytorch || named != nil else { return nil }
    let said = format.map { "the metadata's format is '\($0)'" } ?? "the metadata has no format"
    return Finding(
      .warning, "format-metadata",
      "\(said), but the tensors' names are \(title)'s; names count, and values are taken as \(title) lays them out"
    )
  }

  /// The end of the name of a TensorFlow variable.
  static let variableEnding = ":0"

  /// A stored tensor as a parameter of PyTorch's.
  public struct Parameter: Hashable, Sendable {
    /// The name that PyTorch's class has for it.
    public let name: String
    /// How its values come from the stored ones.
    public let arrangement: Arrangement
  }

  /// How PyTorch's values of a parameter come from another framework's.
  public enum Arrangement: Hashable, Sendable {
    /// They are the same.
    case asStored
    /// `[in, out]` becomes `[out, in]`.
    case transposed
    /// `[1, n]` becomes `[n]`.
    case squeezed

    /// What PyTorch has, as an expression over what is stored.
    public func applied(to stored: TensorExpression) -> TensorExpression {
      switch self {
      case .asStored: stored
      case .transposed: stored.transposed
      case .squeezed: .squeeze(stored)
      }
    }
  }

  /// What people call it.
  public var title: String {
    switch self {
    case .pytorch: "PyTorch"
    case .tensorFlow: "TensorFlow"
    case .flax: "Flax"
    }
  }

  /// What a stored tensor is in PyTorch's naming.
  ///
  /// - Parameters:
  ///   - stored: the tensor's name.
  ///   - shape: its extents.
  ///   - scopes: how many levels before the model's own the name has: 1 for the variables of a Keras model, as in
  ///     `tfgptj_for_causal_lm/transformer/…`.
  /// - Returns: the name and what to do with the values.
  /// - Throws: `malformed` for a name without a level, `unsupported` for kernels of convolutions.
  public func parameter(
    _ stored: String, _ shape: Shape, scopes: Int = 0
  ) throws(CheckpointError) -> Parameter {
    switch self {
    case .pytorch: Parameter(name: stored, arrangement: .asStored)
    case .tensorFlow: try TensorFlowNames.parameter(stored, shape, scopes: scopes)
    case .flax: try FlaxNames.parameter(stored, shape)
    }
  }

  /// The model's tensors under PyTorch's names, in the order of the stored ones.
  ///
  /// - Parameters:
  ///   - tensors: all weights of a checkpoint.
  ///   - scopes: as for `parameter`.
  /// - Returns: names, shapes and expressions.
  /// - Throws: `malformed` where two tensors are the same parameter, or values can't be arranged; what `parameter` throws.
  public func canonicalTensors(
    _ tensors: [TensorInfo], scopes: Int = 0
  ) throws(CheckpointError) -> [CanonicalTensor] {
    // A checkpoint has no name twice, and these stay as they are.
    if self == .pytorch {
      return tensors.map {
        CanonicalTensor(
          name: $0.name, shape: $0.shape, dtype: $0.dtype, expression: .stored($0.name))
      }
    }
    var sources: [ExactName: String] = [:]
    var canonical: [CanonicalTensor] = []
    canonical.reserveCapacity(tensors.count)
    for tensor in tensors {
      do throws(CheckpointError) {
        let parameter = try parameter(tensor.name, tensor.shape, scopes: scopes)
        let name = ExactName(parameter.name)
        if let other = sources.updateValue(tensor.name, forKey: name) {
          throw CheckpointError(
            .malformed, "two tensors are the same parameter, '\(parameter.name)'",
            found: "another one, '\(other)'")
        }
        let expression = parameter.arrangement.applied(to: .stored(tensor.name))
        let type = try expression.type { _ in TensorType(tensor.dtype, tensor.shape) }
        canonical.append(
          CanonicalTensor(
            name: parameter.name, shape: type.shape, dtype: type.dtype, expression: expression))
      } catch { throw error.in(file: tensor.file, tensor: tensor.name) }
    }
    return canonical
  }
}
