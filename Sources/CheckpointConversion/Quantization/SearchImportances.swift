import TensorModel

extension ColumnImportance {
  /// Importances that a search for scales is led by.
  ///
  /// A text says little of columns whose inputs are rarely large, and other texts need them, too. So the mean of all columns is added to each: nothing counts
  /// less than half as much as the average column. In trained models (`docs/guide/quality.md`) predictions come nearer by it than by the squares alone. The
  /// formats' own tools take what the matrix says, and so does plain quantization.
  ///
  /// - Parameters:
  ///   - origin: says which numbers these are.
  ///   - values: mean squares, one for each column, or for each of each expert.
  ///   - columns: of a matrix.
  ///   - quality: that weights are quantized with.
  init(origin: String, values: [Float], columns: Int, _ quality: QuantizationQuality) {
    guard quality != .plain, columns > 0 else {
      self.init(origin: origin, values: values)
      return
    }
    var searched = values
    for first in stride(from: 0, to: values.count, by: columns) {
      let matrix = first..<min(first + columns, values.count)
      let mean = values[matrix].reduce(0.0) { $0 + Double($1) } / Double(matrix.count)
      for column in matrix { searched[column] = Float(Double(values[column]) + mean) }
    }
    self.init(origin: origin, values: searched)
  }
}
