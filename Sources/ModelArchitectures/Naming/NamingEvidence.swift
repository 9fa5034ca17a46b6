import TensorModel

extension ParameterNaming {
  /// The naming of tensors among whose names are some that PyTorch's classes rarely have, by names and ranks.
  ///
  /// TensorFlow's names end in `:0`. Flax has matrices called `kernel`, PyTorch has `weight`s of two and more dimensions; other names
  /// fit both, and what the metadata says decides. Modules of PyTorch may call a parameter `kernel`, too, so both may stand side by side; but
  /// not where the metadata says Flax, where most matrices are kernels, or where a kernel is a linear layer's: one with a bias, or one that
  /// is a `weight` in another layer.
  ///
  /// - Parameters:
  ///   - tensors: all weights of a checkpoint.
  ///   - format: `format` of the metadata, if there is one.
  /// - Throws: `malformed` for names of several namings.
  init(evidenceOf tensors: [TensorInfo], format: String?) throws(CheckpointError) {
    if let variable = tensors.first(where: { $0.name.hasSuffix(Self.variableEnding) }) {
      if let other = tensors.first(where: { !$0.name.hasSuffix(Self.variableEnding) }) {
        throw Self.mixture(.tensorFlow, variable, other)
      }
      self = .tensorFlow
      return
    }
    let names = NameEvidence(tensors)
    let saysFlax = format == ParameterNaming.flax.rawValue
    guard let weight = names.weights.first else {
      self = saysFlax || !names.kernels.isEmpty ? .flax : .pytorch
      return
    }
    let isMixture = saysFlax || names.kernels.count > names.weights.count
    if let kernel = names.linearKernel ?? (isMixture ? names.kernels.first : nil) {
      throw Self.mixture(.flax, kernel, weight)
    }
    self = .pytorch
  }

  private static func mixture(
    _ naming: ParameterNaming, _ tensor: TensorInfo, _ other: TensorInfo
  ) -> CheckpointError {
    CheckpointError(
      .malformed, "tensors are named in different ways", file: tensor.file, tensor: tensor.name,
      expected: "\(naming.title)'s names, like this one", found: "'\(other.name)' as well",
      hint: "the files of several checkpoints may have been put together")
  }
}

/// Names that only one of Flax and PyTorch has.
private struct NameEvidence {
  /// Flax's matrices.
  private(set) var kernels: [TensorInfo] = []
  /// PyTorch's.
  private(set) var weights: [TensorInfo] = []
  /// A kernel of a linear layer, beside which PyTorch's names have no place.
  let linearKernel: TensorInfo?

  init(_ tensors: [TensorInfo]) {
    var biased: Set<ExactName> = []
    var weightKinds: Set<ExactName> = []
    for tensor in tensors {
      let (module, last) = Self.parts(tensor.name)
      switch last {
      case "kernel" where tensor.shape.rank == 2: kernels.append(tensor)
      case "weight" where tensor.shape.rank >= 2:
        weights.append(tensor)
        weightKinds.insert(Self.kind(module))
      case "bias" where tensor.shape.rank == 1:
        biased.insert(ExactName(module.joined(separator: ".")))
      default: break
      }
    }
    linearKernel = kernels.first {
      let module = Self.parts($0.name).module
      return biased.contains(ExactName(module.joined(separator: ".")))
        || weightKinds.contains(Self.kind(module))
    }
  }

  private static func parts(_ name: String) -> (module: ArraySlice<Substring>, last: Substring?) {
    let levels = FlaxNames.levels(name)
    return (levels.dropLast(), levels.last)
  }

  /// A module, whatever its layer.
  private static func kind(_ module: ArraySlice<Substring>) -> ExactName {
    ExactName(module.map { Int($0) == nil ? $0 : "#" }.joined(separator: "."))
  }
}
