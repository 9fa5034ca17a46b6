import CTensorKernels
import ModelArchitectures
import TensorModel

/// A norm, sums in f64.
struct Norm: Sendable {
  private let kind: DecoderConfiguration.Norm
  /// How many values are normed together.
  let width: Int
  /// How many such runs have weights of their own, one after the other: heads that are normed each in its way.
  private let runCount: Int
  private let scale: FloatBuffer
  private let offset: FloatBuffer?

  /// A norm of a model.
  ///
  /// - Parameters:
  ///   - configuration: says which.
  ///   - scales: `[width]`, or several of them for runs with weights of their own.
  ///   - offset: `[width]`, or none.
  ///   - reader: of the weights.
  /// - Throws: what reading throws.
  init(
    _ configuration: DecoderConfiguration, scales: [CanonicalTensor], offset: CanonicalTensor?,
    _ reader: WeightReader
  ) throws(CheckpointError) {
    kind = configuration.norm
    width = scales[0].shape.elementCount
    runCount = scales.count
    scale = try FloatBuffer(width * scales.count)
    for (number, tensor) in scales.enumerated() {
      let values = try reader.values(tensor)
      (scale.base + number * width).update(from: values.base, count: width)
    }
    if configuration.addsOneToNorms {
      for index in 0..<width * runCount { scale.base[index] += 1 }
    }
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
      let scale = scale.base + row % runCount * width
      switch kind {
      case .layer(let epsilon): wb_layer_norm(from, scale, offset?.base, to, width, epsilon)
      case .rootMeanSquare(let epsilon): wb_rms_norm(from, scale, to, width, epsilon)
      }
    }
  }
}
