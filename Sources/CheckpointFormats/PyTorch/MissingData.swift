import FileContainers
import TensorModel

/// Weights of which a file has the names and not the values.
///
/// Tensors of PyTorch's meta device have a type and a shape. Of parameters that DeepSpeed's ZeRO-3 spreads over processes, a state dict has tensors
/// of shape [0]; `param_shapes` beside it says what they should be.
struct MissingData {
  /// Their names, in the order in which they were found.
  private(set) var names: [String] = []
  /// One for each.
  private(set) var findings: [Finding] = []
  /// How conversions get them.
  private(set) var hint =
    "load the model with its weights, not on PyTorch's meta device, and save it again"

  private static let gather =
    "gather the parameters first: DeepSpeed's zero_to_fp32.py makes a whole state dict of all processes' files"
  /// The last parts of names that an empty tensor can't honestly have.
  private static let weightNames = [".weight", ".bias"]

  /// Adds a tensor without data.
  mutating func append(meta name: String, _ element: TorchElement, _ shape: Shape) {
    add(name, "its values are not in the file, only its type and shape, \(element.name) \(shape)")
  }

  /// Adds the tensors that are empty in the way in which ZeRO-3 leaves them.
  ///
  /// - Parameters:
  ///   - tensors: of a state dict.
  ///   - shapes: what `param_shapes` beside it says.
  mutating func append(
    placeholders tensors: [(name: String, tensor: TorchTensor)], shapes: [ExactName: Shape]
  ) {
    let empty = tensors.filter { $0.tensor.shape.dimensions == [0] }
    let areSpread = empty.contains { tensor in
      Self.weightNames.contains { ".\(tensor.name)".hasSuffix($0) }
    }
    for (name, _) in empty {
      let shape = shapes[ExactName(name)]
      if let shape, shape.elementCount == 0 { continue }
      guard areSpread || shape != nil else { continue }
      hint = Self.gather
      add(
        name,
        "its values are not in the file, only a place for them, as DeepSpeed's ZeRO-3 leaves it"
          + (shape.map { ": it should be \($0)" } ?? ""))
    }
  }

  private mutating func add(_ name: String, _ message: String) {
    names.append(name)
    findings.append(Finding(.error, "data-missing", message, tensor: name))
  }
}

extension StateDictionary {
  /// The first tensor without which there is nothing to convert; nil as a rule.
  var obstacle: CheckpointError? {
    if let first = missing.names.first {
      let more = missing.names.count - 1
      return CheckpointError(
        .unsupported,
        "its values are not in the file" + (more > 0 ? " (nor those of \(more) more)" : ""),
        tensor: first, hint: missing.hint)
    }
    return unreadable.first.map {
      CheckpointError(
        .unsupported, "\($0.kind), which can't be converted", tensor: $0.name,
        hint:
          "make it an ordinary tensor in Python first (.dequantize(), .to_dense(), .resolve_conj(), .resolve_neg()) and save it again"
      )
    }
  }
}
