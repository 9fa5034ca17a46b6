import TensorModel

/// An expression and its type, checked at each step.
struct PackedValue {
  let expression: TensorExpression
  let type: TensorType

  init(_ expression: TensorExpression, _ type: TensorType) {
    self.expression = expression
    self.type = type
  }

  var extents: [Int] { type.shape.dimensions }

  /// A step further.
  ///
  /// - Parameters:
  ///   - values: what the step is made of.
  ///   - make: makes it of their expressions.
  /// - Returns: the result.
  /// - Throws: `malformed` where it doesn't fit them.
  static func step(
    _ values: [PackedValue], _ make: ([TensorExpression]) -> TensorExpression
  ) throws(CheckpointError) -> PackedValue {
    // Only the last step's fit has to be looked at: operands stand for themselves.
    let names = values.indices.map { "\($0)" }
    let types = Dictionary(uniqueKeysWithValues: zip(names, values.map(\.type)))
    let type: TensorType
    do throws(CheckpointError) {
      type = try make(names.map { .stored($0) }).type { types[$0] }
    } catch {
      var named = error
      named.tensor = values.first?.expression.sources.first
      throw named
    }
    return PackedValue(make(values.map(\.expression)), type)
  }

  /// The same elements in other extents.
  ///
  /// - Throws: `malformed` if they don't fill these.
  func reshaped(_ extents: [Int]) throws(CheckpointError) -> PackedValue {
    if extents == self.extents { return self }
    let shape = try Shape(checking: extents)
    return try .step([self]) { .reshape($0[0], shape) }
  }

  /// All but the last extent as rows; of a vector or a scalar one row.
  ///
  /// - Throws: never for shapes that have been checked.
  func asMatrix() throws(CheckpointError) -> PackedValue {
    guard type.shape.rank != 2 else { return self }
    let last = extents.last ?? 1
    return try reshaped([extents.dropLast().reduce(1, *), last])
  }

  /// The numbers of codes in rows.
  ///
  /// - Throws: `malformed` if they don't lie in the matrix.
  func decoded(
    _ code: PackedCode, columns: Int
  ) throws(CheckpointError) -> PackedValue {
    let shape = try Shape(checking: [extents[0], columns])
    return try .step([self]) { .decode($0[0], code, shape, axis: 1) }
  }

  /// The numbers of codes down the columns.
  ///
  /// - Throws: `malformed` if they don't lie in the matrix.
  func decodedDown(_ code: PackedCode, rows: Int) throws(CheckpointError) -> PackedValue {
    let shape = try Shape(checking: [rows, extents[1]])
    return try .step([self]) { .decode($0[0], code, shape, axis: 0) }
  }

  /// Each element for a block of another matrix; blocks are what the numbers of rows and columns make them.
  ///
  /// - Parameters:
  ///   - whole: the extents.
  ///   - block: rows and columns of a block.
  /// - Returns: the matrix.
  /// - Throws: `malformed` if blocks don't make the matrix.
  func spread(over whole: [Int], block: [Int]) throws(CheckpointError) -> PackedValue {
    if block == [1, 1], whole == extents { return self }
    let shape = try Shape(checking: whole)
    return try .step([self]) { .spread($0[0], shape, block: block) }
  }

  /// Element by element with another.
  ///
  /// - Throws: `malformed` for other extents.
  func combined(
    _ operation: TensorExpression.Operator, _ other: PackedValue
  ) throws(CheckpointError) -> PackedValue {
    try .step([self, other]) { .combine(operation, $0[0], $0[1]) }
  }

  /// Turned.
  ///
  /// - Throws: `malformed` for more than a matrix.
  func transposed() throws(CheckpointError) -> PackedValue {
    try .step([self]) { $0[0].transposed }
  }

  /// Rows that an index names.
  ///
  /// - Throws: `malformed` for what isn't one.
  func gathered(_ index: PackedValue) throws(CheckpointError) -> PackedValue {
    try .step([self, index]) { .gather($0[0], rows: $0[1]) }
  }
}
