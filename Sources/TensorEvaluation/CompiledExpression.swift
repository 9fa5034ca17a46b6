public import TensorModel

/// An expression made ready to run: tensors found, types known, operands of sums widened, and casts moved inwards past
/// transposes and concatenations, where they work on small pieces that are still in the cache.
///
/// Moving a cast past an operation that only moves elements changes neither values nor the report, which doesn't depend on order.
public struct CompiledExpression: Sendable {
  let root: Node

  /// What evaluating it gives.
  public var type: TensorType { root.type }

  /// The result as rows of cells.
  public var geometry: MatrixGeometry { root.geometry }

  /// Whether the result is blocks that are made of values, or parts that are.
  var quantizes: Bool {
    switch root.operation {
    case .quantize, .pack: true
    default: false
    }
  }

  /// Rows that must not be taken apart: those that share scales.
  var sharedRowCount: Int {
    if case .pack(_, let packed) = root.operation {
      packed.format.rowCount / packed.rowCount
    } else {
      1
    }
  }

  /// What is packed, whose rows stay whole; nil for anything else.
  var packed: TensorType? {
    if case .pack(let values, _) = root.operation { values.type } else { nil }
  }

  /// The extents of the values that blocks or parts are made of; of other results their own.
  public var valueShape: Shape { packed?.shape ?? type.shape }

  /// Whether blocks of a row depend on each other, so that rows must not be cut.
  var needsWholeRows: Bool {
    if case .quantize(_, let method) = root.operation { method.needsWholeRows } else { false }
  }

  /// How the columns' inputs go together, where codes depend on that.
  var moments: SecondMoments? {
    switch root.operation {
    case .quantize(_, let method): method.moments
    case .pack(_, let packed): packed.method.moments
    default: nil
    }
  }

  /// The stored tensors that it reads, by their places in the checkpoint.
  public var storedPositions: [Int] {
    var positions: [Int] = []
    var pending = [root]
    while let node = pending.popLast() {
      switch node.operation {
      case .stored(let position, _): positions.append(position)
      case .fill: continue
      case .concatenate(let parts, _), .sum(let parts), .joinBlocks(let parts): pending += parts
      case .addRow(let matrix, let row): pending += [matrix, row]
      case .transpose(let operand), .slice(let operand, _, _), .permuteRows(let operand, _, _),
        .cast(let operand), .dequantize(let operand), .quantize(let operand, _),
        .reshape(let operand), .splitBlocks(let operand, _), .decode(let operand, _, _),
        .spread(let operand, _), .pack(let operand, _), .view(let operand),
        .encode(let operand, _):
        pending.append(operand)
      case .gather(let operand, let other), .lookUp(let operand, let other),
        .combine(_, let operand, let other):
        pending += [operand, other]
      }
    }
    return positions
  }

  indirect enum Operation: Sendable {
    case stored(position: Int, isScattered: Bool)
    case concatenate([Node], axis: Int)
    case transpose(Node)
    /// The same cells, in rows of another length.
    case reshape(Node)
    case sum([Node])
    case addRow(Node, row: Node)
    case slice(Node, rowOffset: Int, columnOffset: Int)
    /// Rows in another order; each is so many rows of the operand's geometry, more than one where its cells are blocks.
    case permuteRows(Node, RowPermutation, unit: Int)
    case cast(Node)
    /// A block format's values, in F32.
    case dequantize(Node)
    /// Blocks from their parts.
    case joinBlocks([Node])
    /// A part of blocks.
    case splitBlocks(Node, PackedFormat.Part)
    /// Values in F32 as blocks.
    case quantize(Node, QuantizationMethod)
    /// Numbers of packed codes, in F32.
    case decode(Node, PackedCode, axis: Int)
    /// Whole numbers in F32 as codes of so many bits.
    case encode(Node, bits: Int)
    /// Elements repeated in blocks of rows and columns.
    case spread(Node, block: [Int])
    case gather(Node, rows: Node)
    case lookUp(Node, places: Node)
    case combine(TensorExpression.Operator, Node, Node)
    /// The bytes of rows as those of another dtype.
    case view(Node)
    /// A matrix that is packed, or a part of it.
    case pack(Node, PackedNode)
    case fill(element: [UInt8])
  }

  struct Node: Sendable {
    let operation: Operation
    let type: TensorType
    let geometry: MatrixGeometry

    init(_ operation: Operation, _ type: TensorType) {
      self.operation = operation
      self.type = type
      geometry = type.geometry
    }

    /// Whether rows of the result are gathered from columns, so that few large slabs read better than many small ones.
    var transposes: Bool {
      switch operation {
      case .stored(_, let isScattered): isScattered
      case .fill: false
      case .transpose: true
      case .concatenate(let parts, _), .sum(let parts), .joinBlocks(let parts):
        parts.contains { $0.transposes }
      case .addRow(let matrix, _): matrix.transposes
      case .slice(let operand, _, _), .permuteRows(let operand, _, _), .cast(let operand),
        .dequantize(let operand), .quantize(let operand, _), .reshape(let operand),
        .splitBlocks(let operand, _), .decode(let operand, _, _), .spread(let operand, _),
        .gather(let operand, _), .lookUp(_, let operand), .pack(let operand, _),
        .view(let operand), .encode(let operand, _):
        operand.transposes
      case .combine(_, let left, let right): left.transposes || right.transposes
      }
    }
  }

  /// Compiles an expression over a checkpoint's tensors.
  ///
  /// - Throws: `missing` for an unknown tensor, `malformed` where shapes or dtypes don't fit.
  public init(
    _ expression: TensorExpression, in checkpoint: Checkpoint
  ) throws(CheckpointError) {
    // Checks everything once; below, only what is known to fit is built.
    _ = try checkpoint.type(of: expression)
    root = try Self.node(expression, checkpoint)
  }

  /// A stored tensor as it is.
  init(storedAt position: Int, in checkpoint: Checkpoint) {
    let tensor = checkpoint.tensors[position]
    root = Node(
      .stored(position: position, isScattered: tensor.isScattered),
      TensorType(tensor.dtype, tensor.shape))
  }

  private static func node(
    _ expression: TensorExpression, _ checkpoint: Checkpoint
  ) throws(CheckpointError) -> Node {
    let type = try checkpoint.type(of: expression)
    switch expression {
    case .stored(let name):
      guard let position = checkpoint.position(of: name) else {
        throw CheckpointError(.missing, "no such tensor in the source", tensor: name)
      }
      let isScattered = checkpoint.tensors[position].isScattered
      return Node(.stored(position: position, isScattered: isScattered), type)
    case .concatenate(let parts, let axis):
      return Node(.concatenate(try nodes(parts, checkpoint), axis: axis), type)
    case .transpose(let operand):
      let inner = try node(operand, checkpoint)
      // transpose(concatenate(parts)) = concatenate(transpose(part)…): each part is then read on its own.
      if case .concatenate(let parts, let axis) = inner.operation, type.shape.rank == 2 {
        let transposed = parts.map {
          Node(
            .transpose($0), TensorType($0.type.dtype, Shape($0.type.shape.dimensions.reversed())))
        }
        return Node(.concatenate(transposed, axis: 1 - axis), type)
      }
      return type.shape.rank == 3 ? transposedStack(inner, type) : Node(.transpose(inner), type)
    case .reshape(let operand, _):
      return reshaped(try node(operand, checkpoint), type.shape)
    case .blocks(let parts, _): return Node(.joinBlocks(try nodes(parts, checkpoint)), type)
    case .codes(let operand):
      return Node(.splitBlocks(try node(operand, checkpoint), .codes), type)
    case .scales(let operand):
      return Node(.splitBlocks(try node(operand, checkpoint), .scales), type)
    case .biases(let operand):
      return Node(.splitBlocks(try node(operand, checkpoint), .biases), type)
    case .squeeze(let operand):
      // A vector is a column of cells: the row `[1, n]`, transposed.
      return Node(.transpose(try node(operand, checkpoint)), type)
    case .sum(let parts):
      return sum(try nodes(parts, checkpoint), type)
    case .mean(let parts):
      let count = FillValue(Double(parts.count)).bytes(in: .f32) ?? []
      return Node(
        .combine(
          .quotient, sum(try nodes(parts, checkpoint), type), Node(.fill(element: count), type)),
        type)
    case .addRow(let matrix, let row):
      return Node(
        .addRow(
          cast(try node(matrix, checkpoint), to: .f32),
          row: cast(try node(row, checkpoint), to: .f32)), type)
    case .slice(let operand, let axis, let range):
      let inner = try node(operand, checkpoint)
      // Cells of blocks are rows: so many for each index.
      let unit =
        type.dtype.isBlockQuantized
        ? inner.geometry.rows / max(1, inner.type.shape.dimensions[0]) : 1
      return Node(
        .slice(
          inner, rowOffset: axis == 0 ? range.lowerBound * unit : 0,
          columnOffset: axis == 1 ? range.lowerBound : 0), type)
    case .permuteRows(let operand, let permutation):
      let inner = try node(operand, checkpoint)
      let unit =
        type.dtype.isBlockQuantized ? inner.geometry.rows / max(1, permutation.rowCount) : 1
      return Node(.permuteRows(inner, permutation, unit: unit), type)
    case .cast(let operand, let dtype):
      return cast(try node(operand, checkpoint), to: dtype)
    case .quantize(let operand, _, let method):
      return Node(.quantize(cast(try node(operand, checkpoint), to: .f32), method), type)
    case .decode(let operand, let code, _, let axis):
      return Node(.decode(try node(operand, checkpoint), code, axis: axis), type)
    case .encode(let operand, let bits, _):
      return Node(.encode(cast(try node(operand, checkpoint), to: .f32), bits: bits), type)
    case .spread(let operand, _, let block):
      return Node(.spread(cast(try node(operand, checkpoint), to: .f32), block: block), type)
    case .gather(let operand, let rows):
      return Node(
        .gather(
          cast(try node(operand, checkpoint), to: .f32), rows: try node(rows, checkpoint)), type)
    case .lookUp(let table, let places):
      return Node(
        .lookUp(
          cast(try node(table, checkpoint), to: .f32), places: try node(places, checkpoint)), type)
    case .combine(let operation, let left, let right):
      return Node(
        .combine(
          operation, cast(try node(left, checkpoint), to: .f32),
          cast(try node(right, checkpoint), to: .f32)), type)
    case .pack(let operand, let format, let method):
      let values = try node(operand, checkpoint)
      return Node(
        .pack(cast(values, to: .f32), PackedNode(format, method, nil, values.type)), type)
    case .part(let operand, let part):
      guard case .pack(let matrix, let format, let method) = operand else {
        throw CheckpointError(.malformed, "a part of something that has none")
      }
      let values = try node(matrix, checkpoint)
      if let constants = format.constants(of: part, values.type) {
        let elements = constants.map {
          Node(.fill(element: $0.bytes(in: type.dtype) ?? []), TensorType(type.dtype, [1]))
        }
        return Node(.concatenate(elements, axis: 0), type)
      }
      return Node(
        .pack(cast(values, to: .f32), PackedNode(format, method, part, values.type)), type)
    case .view(let operand, _): return Node(.view(try node(operand, checkpoint)), type)
    case .fill(let value, _):
      return Node(.fill(element: value.bytes(in: type.dtype) ?? []), type)
    }
  }

  /// A node in other extents; parts that stand one after the other are each given theirs, so that regions of them stay regions.
  private static func reshaped(_ node: Node, _ shape: Shape) -> Node {
    if node.type.shape == shape { return node }
    let type = TensorType(node.type.dtype, shape)
    if case .reshape(let operand) = node.operation { return reshaped(operand, shape) }
    let row = shape.dimensions.dropFirst().reduce(1, *)
    if case .concatenate(let parts, axis: 0) = node.operation, shape.rank > 1, row > 0,
      parts.allSatisfy({ $0.type.shape.elementCount.isMultiple(of: row) })
    {
      let rest = shape.dimensions.dropFirst()
      return Node(
        .concatenate(
          parts.map { reshaped($0, Shape([$0.type.shape.elementCount / row] + rest)) }, axis: 0),
        type)
    }
    return Node(.reshape(node), type)
  }

  /// Each matrix of a stack transposed on its own.
  private static func transposedStack(_ stack: Node, _ type: TensorType) -> Node {
    let (rows, columns) = (type.shape.dimensions[1], type.shape.dimensions[2])
    func node(_ operation: Operation, _ shape: Shape) -> Node {
      Node(operation, TensorType(type.dtype, shape))
    }
    let parts = (0..<type.shape.dimensions[0]).map { index in
      let matrix = node(
        .reshape(node(.slice(stack, rowOffset: index, columnOffset: 0), [1, columns, rows])),
        [columns, rows])
      return node(.reshape(node(.transpose(matrix), [rows, columns])), [1, rows, columns])
    }
    return Node(.concatenate(parts, axis: 0), type)
  }

  private static func nodes(
    _ parts: [TensorExpression], _ checkpoint: Checkpoint
  ) throws(CheckpointError) -> [Node] {
    var nodes: [Node] = []
    for part in parts { nodes.append(try node(part, checkpoint)) }
    return nodes
  }

  private static func sum(_ parts: [Node], _ type: TensorType) -> Node {
    Node(.sum(parts.map { cast($0, to: .f32) }), type)
  }

  private static func cast(_ node: Node, to dtype: DType) -> Node {
    if node.type.dtype == dtype { return node }
    if node.type.dtype.isBlockQuantized {
      return cast(Node(.dequantize(node), TensorType(.f32, node.type.shape)), to: dtype)
    }
    let type = TensorType(dtype, node.type.shape)
    if dtype.isBlockQuantized { return Node(.quantize(cast(node, to: .f32), .plain), type) }
    switch node.operation {
    case .transpose(let operand): return Node(.transpose(cast(operand, to: dtype)), type)
    case .concatenate(let parts, let axis):
      return Node(.concatenate(parts.map { cast($0, to: dtype) }, axis: axis), type)
    case .slice(let operand, let rows, let columns):
      return Node(.slice(cast(operand, to: dtype), rowOffset: rows, columnOffset: columns), type)
    case .permuteRows(let operand, let permutation, let unit):
      return Node(.permuteRows(cast(operand, to: dtype), permutation, unit: unit), type)
    case .reshape(let operand): return Node(.reshape(cast(operand, to: dtype)), type)
    case .stored, .sum, .addRow, .cast, .dequantize, .quantize, .fill, .joinBlocks, .splitBlocks,
      .decode, .encode, .spread, .gather, .lookUp, .combine, .pack, .view:
      return Node(.cast(node), type)
    }
  }
}
