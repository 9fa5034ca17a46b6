import TensorModel

/// Consecutive bytes of a tensor that one thread evaluates at a time.
struct Slab {
  let task: Int
  /// Its place among the slabs of its tensor.
  let number: Int
  let region: MatrixRegion
  let byteOffset: Int
  let byteCount: Int
  /// Its place among all slabs that were dealt.
  var sequence = 0
  /// Whether it is all of its tensor, so that nothing has to be waited for or counted.
  var isAlone = false
  /// The place of the stored tensor that it is all of, copied as it is; only for small ones.
  var copiedPosition: Int?
}

/// Cuts tensors into slabs.
struct SlabCutter {
  private let resources: EvaluationResources

  init(_ resources: EvaluationResources) { self.resources = resources }

  /// Bytes of a tensor for which the work around it counts more than the work.
  private static let smallByteCount = 16 << 10

  /// All of a stored tensor that is small and copied as it is; nil for other tasks.
  func smallSlab(of task: EvaluationTask, _ index: Int) -> Slab? {
    let byteCount = task.byteCount
    guard byteCount <= Self.smallByteCount, let position = task.copiedPosition else { return nil }
    let region =
      byteCount == 0
      ? MatrixRegion(rows: 0..<0, columns: 0..<0) : task.expression.geometry.whole
    return Slab(
      task: index, number: 0, region: region, byteOffset: 0, byteCount: byteCount, isAlone: true,
      copiedPosition: position)
  }

  /// The slabs of a tensor in row order, at least one: a tensor without elements still has a digest.
  func slabs(of task: EvaluationTask, _ index: Int) -> [Slab] {
    let expression = task.expression
    let cell = expression.geometry.cellByteCount
    let transposes = task.transposes
    let limit = resources.slabByteCount(transposing: transposes)
    let regions =
      if let packed = expression.packed {
        Self.rows(
          expression.geometry,
          limit: resources.quantizedByteCount(transposing: transposes) / 2
            * expression.geometry.rowByteCount / max(1, packed.geometry.columns * 4),
          together: expression.sharedRowCount)
      } else if task.parts.areSeveral {
        Self.rows(
          expression.geometry, limit: limit / 2)
      } else if let pieces = task.pieces {
        Self.joined(pieces, expression.geometry, limit)
      } else if expression.quantizes {
        Self.blocks(
          expression, valueByteLimit: resources.quantizedByteCount(transposing: transposes))
      } else {
        expression.geometry.whole.tiles(cellByteCount: cell, limit: limit)
      }
    var offset = 0
    var slabs: [Slab] = []
    for region in regions {
      let byteCount = region.cellCount * cell
      slabs.append(
        Slab(
          task: index, number: slabs.count, region: region, byteOffset: offset,
          byteCount: byteCount))
      offset += byteCount
    }
    if slabs.isEmpty {
      slabs.append(
        Slab(
          task: index, number: 0, region: MatrixRegion(rows: 0..<0, columns: 0..<0), byteOffset: 0,
          byteCount: 0))
    }
    return slabs
  }

  /// Runs of whole rows, at least one row each; so many stay together.
  private static func rows(
    _ geometry: MatrixGeometry, limit: Int, together: Int = 1
  ) -> [MatrixRegion] {
    let step = max(1, limit / max(1, geometry.rowByteCount) / together) * together
    return stride(from: 0, to: geometry.rows, by: step).map {
      MatrixRegion(
        rows: $0..<min($0 + step, geometry.rows), columns: 0..<geometry.columns)
    }
  }

  /// Runs of blocks, of whole rows unless these are large and may be cut.
  private static func blocks(
    _ expression: CompiledExpression, valueByteLimit: Int
  ) -> [MatrixRegion] {
    BlockRows(expression.type, isWhole: expression.needsWholeRows)
      .pieces(of: 0..<expression.geometry.rows, valueByteLimit: valueByteLimit)
      .map { MatrixRegion(rows: $0, columns: 0..<1) }
  }

  /// Pieces joined as long as that gives a rectangle within the limit.
  private static func joined(
    _ pieces: [MatrixRegion], _ geometry: MatrixGeometry, _ limit: Int
  ) -> [MatrixRegion] {
    var regions: [MatrixRegion] = []
    for piece in pieces {
      if var last = regions.last,
        (last.cellCount + piece.cellCount) * geometry.cellByteCount <= limit
      {
        if last.columns == piece.columns, last.columns.count == geometry.columns,
          last.rows.upperBound == piece.rows.lowerBound
        {
          last.rows = last.rows.lowerBound..<piece.rows.upperBound
          regions[regions.count - 1] = last
          continue
        }
        if last.rows == piece.rows, last.rows.count == 1,
          last.columns.upperBound == piece.columns.lowerBound
        {
          last.columns = last.columns.lowerBound..<piece.columns.upperBound
          regions[regions.count - 1] = last
          continue
        }
      }
      regions.append(piece)
    }
    return regions
  }
}
