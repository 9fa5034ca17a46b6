import CheckpointFormats
import ModelArchitectures
import TensorModel

/// The dtypes that weights are quantized from, where the command says none.
struct ValueDTypes {
  private let asked: DType?
  private let parts: Set<ExactName>
  private let computation: DType?

  /// For a source.
  init(_ planner: Planner) throws(CheckpointError) {
    asked = planner.settings.dtype
    parts = try planner.source.model().quantized?.parts ?? []
    guard !parts.isEmpty, let text = try planner.source.huggingFaceConfiguration() else {
      computation = nil
      return
    }
    computation = try ifUsable { () throws(CheckpointError) in
      try HuggingFaceConfiguration(parsing: text).computationDType
    }.flatMap { $0 }
  }

  /// The dtype of a tensor: as asked, else its own; for values of quantized weights that the model computes in, and BF16 for those of MXFP4, all of
  /// which it has.
  ///
  /// - Parameter tensor: of the model.
  /// - Returns: one that formats of several tensors can have scales of, where it is one of floats.
  func dtype(of tensor: CanonicalTensor) -> DType {
    guard tensor.dtype.hasFloatValues else { return tensor.dtype }
    if let asked { return asked }
    // Blocks have scales of 16 bits.
    if tensor.dtype.isBlockQuantized { return .f16 }
    let isOfParts =
      !parts.isEmpty && tensor.expression.sources.contains { parts.contains(ExactName($0)) }
    if isOfParts, let computation { return computation }
    return tensor.expression.isOfMXFP4 ? .bf16 : tensor.dtype
  }
}
