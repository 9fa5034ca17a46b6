import ModelArchitectures
import Quantization
import TensorModel

/// A tensor of a model, and what becomes of it.
struct CompressedTensorsCandidate {
  /// The tensor.
  let tensor: CanonicalTensor
  /// What it does; nil where that isn't known.
  let place: DecoderPlace?
  /// Its type, and why.
  let quantization: ConversionPlan.Quantization
  /// Cast to what it is quantized from.
  let expression: TensorExpression
  /// What that gives.
  let type: TensorType
  /// Itself, where the source has its codes and scales.
  var reused: StoredWeight?

  /// The format, where it is one of several tensors.
  var format: PackedFormat? {
    if case .packed(let format) = quantization.choice.type { format } else { nil }
  }

  /// Whether a configuration's targets could mean it.
  var mayBeLinear: Bool {
    guard type.shape.rank == 2, tensor.name.hasSuffix(".weight") else { return false }
    return switch place?.role {
    case .weight(_, .outIn), .other, nil: true
    default: false
    }
  }

  /// Whether it holds all experts of a layer.
  var isOfStackedExperts: Bool {
    guard case .weight(let projection, _) = place?.role else { return false }
    return projection.isOfExperts && type.shape.rank == 3
  }

  /// What a part of it is called: `model.layers.0.mlp.up_proj.weight_packed`.
  func name(of part: PackedFormat.Part, _ format: PackedFormat) -> String {
    "\(StoredWeight.module(of: tensor.name)).\(format.partName(part))"
  }
}

extension PackedFormat {
  /// What compressed-tensors calls a part of a module.
  func partName(_ part: Part) -> String {
    switch part {
    case .codes: [.i32, .u8].contains(codes) ? "weight_packed" : "weight"
    case .scales: "weight_scale"
    case .shape: "weight_shape"
    case .tensorScale: "weight_global_scale"
    case .biases: "weight_zero_point"
    }
  }
}
