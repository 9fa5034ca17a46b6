import FileContainers
public import TensorModel

/// How a family's tensors are called and lie in the TensorFlow checkpoints in which it was first published, and what is beside them.
public struct TensorFlowTable: Sendable {
  /// The variables, `{i}` standing for the layer.
  public let variables: [Variable]
  /// The file with the model's sizes.
  public let configurationName: String
  /// Files beside the weights that Hugging Face has under other names, byte for byte.
  public let sidecars: [String: String]
  /// Makes `config.json` of the configuration.
  let configuration: @Sendable (JSONValue, _ dtype: DType?) throws(CheckpointError) -> JSONValue
  /// The configuration's keys for sizes that shapes prove, and those that they don't, with what stands for these.
  let template: @Sendable (Architecture.Dimensions) -> JSONValue

  /// A variable and the tensor that it is.
  public struct Variable: Sendable, Hashable {
    /// The name, `{i}` standing for the layer.
    public let name: String
    /// Hugging Face's parameter name, likewise.
    public let tensor: String
    /// How Hugging Face's values come from it.
    public let arrangement: Arrangement

    /// The variable of a layer.
    public func name(layer: Int?) -> String {
      Architecture.Row.name(name, layer: layer, number: nil)
    }

    /// The tensor that it is.
    public func tensorName(layer: Int?) -> String {
      Architecture.Row.name(tensor, layer: layer, number: nil)
    }
  }

  /// How the values of a tensor come from those of a variable.
  public enum Arrangement: Sendable, Hashable {
    /// They are the same.
    case asStored
    /// `[in, out]` becomes `[out, in]`.
    case transposed
    /// `[1, in, out]` becomes `[in, out]`.
    case unwrapped
    /// The first rows, as many as the vocabulary has: the others are padding.
    case trimmed

    /// What Hugging Face has, as an expression over a variable.
    ///
    /// - Parameters:
    ///   - name: of the variable.
    ///   - shape: of the variable.
    ///   - vocabulary: how many tokens there are, where that is known.
    /// - Returns: the expression.
    public func applied(to name: String, _ shape: Shape, vocabulary: Int?) -> TensorExpression {
      let stored = TensorExpression.stored(name)
      switch self {
      case .asStored: return stored
      case .transposed: return .transpose(stored)
      case .unwrapped:
        guard shape.rank == 3, shape.dimensions[0] == 1 else { return stored }
        return .reshape(stored, Shape(Array(shape.dimensions.dropFirst())))
      case .trimmed:
        guard let vocabulary, shape.rank == 2, vocabulary < shape.dimensions[0] else {
          return stored
        }
        return .slice(stored, axis: 0, range: 0..<vocabulary)
      }
    }
  }

  /// `config.json` in Hugging Face's form.
  ///
  /// - Parameters:
  ///   - bytes: the text of the configuration, in the family's own form or in Hugging Face's.
  ///   - name: its file's, for errors.
  ///   - family: the family's name, which a configuration in Hugging Face's form has.
  ///   - dtype: of most of the weights.
  /// - Returns: the text.
  /// - Throws: `malformed`; `usage` for settings that are missing or impossible; `unsupported` for those that Hugging Face's class
  ///   doesn't compute.
  public func huggingFaceConfiguration(
    of bytes: [UInt8], named name: String, family: String, dtype: DType?
  ) throws(CheckpointError) -> [UInt8] {
    let document = try JSONFile.parse(bytes, name)
    if let type = document["model_type"]?.text {
      guard type == family else {
        throw CheckpointError(
          .usage, "the configuration is of another family than the checkpoint", file: name,
          expected: "'model_type': '\(family)', by the names of the variables", found: type,
          hint: "do the configuration and the weights belong together?")
      }
      return bytes
    }
    do throws(CheckpointError) {
      return Array((try configuration(document, dtype).documentText + "\n").utf8)
    } catch {
      var placed = error
      placed.file = name
      throw placed
    }
  }

  /// A configuration filled in as far as shapes prove it, `null` where they don't.
  public func template(_ dimensions: Architecture.Dimensions) -> String {
    template(dimensions).documentText
  }
}

extension TensorFlowTable.Variable {
  static func variable(
    _ name: String, _ tensor: String, _ arrangement: TensorFlowTable.Arrangement = .asStored
  ) -> TensorFlowTable.Variable {
    TensorFlowTable.Variable(name: name, tensor: tensor, arrangement: arrangement)
  }
}
