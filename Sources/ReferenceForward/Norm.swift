import CTensorKernels
import ModelArchitectures
import TensorModel

/// A norm of the residual stream, sums in f64.
struct Norm: Sendable {
  private let kind: DecoderConfiguration.Norm
  /// How many values are normed together.
  let width: Int
  private let scale: FloatBuffer
  private let offset: FloatBuffer?

  init(
    _ kind: DecoderConfiguration.Norm, scale: CanonicalTensor, offset: CanonicalTensor?,
    _ reader: WeightReader
  ) throws(CheckpointError) {
    self.kind = kind
    width = scale.shape.elementCount
    self.scale = try reader.values(scale)
    var values: FloatBuffer?
    if let offset { values = try reader.values(offset) }
    self.offset = values
  }

  /// Norms rows `[count, width]`, in place if both are the same.
  ///
  /// - Throws: `inputOutput` without memory.
  func apply(_ x: FloatBuffer, _ count: Int, into y: FloatBuffer) throws(CheckpointError) {
    try y.resize(count * width)
    for row in 0..<count {
      let (from, to) = (x.base + row * width, y.base + row * width)
      switch kind {
      case .layer(let epsilon):
        wb_layer_norm(from, scale.base, offset?.base, to, width, epsilon)
      case .rootMeanSquare(let epsilon): wb_rms_norm(from, scale.base, to, width, epsilon)
      }
    }
  }
}
