import ModelArchitectures
import ReferenceForward
import TensorModel

/// A weight in memory, `[rows, columns]`; a vector has one column.
struct Matrix {
  let rows: Int
  let columns: Int
  let values: FloatBuffer

  func isAll(_ value: Float) -> Bool {
    (0..<rows * columns).allSatisfy { values.base[$0] == value }
  }

  func adding(_ number: Float) throws(CheckpointError) -> Matrix {
    let result = Matrix(rows: rows, columns: columns, values: try FloatBuffer(rows * columns))
    for index in 0..<rows * columns { result.values.base[index] = values.base[index] + number }
    return result
  }

  func transposed() throws(CheckpointError) -> Matrix {
    let result = Matrix(rows: columns, columns: rows, values: try FloatBuffer(rows * columns))
    for row in 0..<rows {
      for column in 0..<columns {
        result.values.base[column * rows + row] = values.base[row * columns + column]
      }
    }
    return result
  }

  /// Rows in another order, the same in every group of so many.
  func permutingRows(_ order: [Int], every group: Int) throws(CheckpointError) -> Matrix {
    let result = Matrix(rows: rows, columns: columns, values: try FloatBuffer(rows * columns))
    for row in 0..<rows {
      let source = row / group * group + order[row % group]
      (result.values.base + row * columns).update(
        from: values.base + source * columns, count: columns)
    }
    return result
  }

  /// Some of the rows.
  func selectingRows(_ selected: [Int]) throws(CheckpointError) -> Matrix {
    let result = Matrix(
      rows: selected.count, columns: columns, values: try FloatBuffer(selected.count * columns))
    for (row, source) in selected.enumerated() {
      (result.values.base + row * columns).update(
        from: values.base + source * columns, count: columns)
    }
    return result
  }
}

extension DecoderWeights {
  /// A tensor as f32.
  func matrix(_ tensor: CanonicalTensor) throws(CheckpointError) -> Matrix {
    let geometry = MatrixGeometry(dtype: .f32, shape: tensor.shape)
    return Matrix(rows: geometry.rows, columns: geometry.columns, values: try values(of: tensor))
  }

  /// A projection's weight as `[out, in]`, taken out of a fused one where there is one; nil if the family has none.
  func projection(
    _ projection: DecoderRole.Projection, _ layer: Int
  ) throws(CheckpointError) -> Matrix? {
    if let tensor = self[.weight(projection), layer] { return try matrix(tensor) }
    if let tensor = self[.weight(projection, .inOut), layer] {
      return try matrix(tensor).transposed()
    }
    if let both = self[.weight(.gateUp), layer], projection == .gate || projection == .up {
      let inner = configuration.dimensions.inner
      let start = projection == .gate ? 0 : inner
      return try matrix(both).selectingRows(Array(start..<start + inner))
    }
    guard let part = [DecoderRole.Projection.query, .key, .value].firstIndex(of: projection),
      configuration.fusedOrder != nil
    else { return nil }
    var fused: Matrix?
    if let tensor = self[.weight(.queryKeyValue), layer] { fused = try matrix(tensor) }
    if let tensor = self[.weight(.queryKeyValue, .inOut), layer] {
      fused = try matrix(tensor).transposed()
    }
    return try fused?.selectingRows(configuration.fusedRuns(part).flatMap(Array.init))
  }
}
