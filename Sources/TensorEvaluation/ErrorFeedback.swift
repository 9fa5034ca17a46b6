import CTensorKernels
import FileContainers
public import TensorModel

/// Codes that make up for each other's errors, by how a layer's inputs go together, wherever the layer's output is nearer by that (`feedback.c`).
struct ErrorFeedback {
  private let format: wb_feedback_format
  private let moments: SecondMoments
  private let importance: ColumnImportance?

  /// Feedback in rows of blocks; nil where the method has no second moments.
  init?(_ method: QuantizationMethod, _ type: wb_block_type, columns: Int) {
    self.init(method, wb_feedback_format(blocks: type), columns: columns)
  }

  /// Feedback in packed rows; nil where the method has no second moments.
  init?(_ method: QuantizationMethod, _ kernel: PackingKernel, columns: Int) {
    self.init(method, wb_feedback_format(kernel), columns: columns)
  }

  private init?(_ method: QuantizationMethod, _ format: wb_feedback_format, columns: Int) {
    guard method.quality == .max, let moments = method.moments, moments.columnCount == columns,
      wb_feedback_takes(format, columns)
    else { return nil }
    self.format = format
    self.moments = moments
    importance = method.importance
  }

  /// Puts better rows in the stead of those that the search for scales has made.
  ///
  /// - Parameters:
  ///   - factors: of second moments.
  ///   - values: of the weights.
  ///   - rows: how many.
  ///   - packed: them, as they are.
  ///   - stride: bytes from one packed row to the next.
  /// - Returns: what errors come to in the layer's output, before and after.
  /// - Throws: what reading second moments throws; `malformed` for those that can't be.
  func apply(
    _ factors: MomentFactors, _ values: UnsafePointer<Float>, rows: Int,
    _ packed: UnsafeMutableRawPointer, _ stride: Int
  ) throws(CheckpointError) -> QuantizationErrors.OutputErrors {
    let scratch = try ScratchArena(
      byteCount: ScratchArena.rounded(
        wb_feedback_scratch_byte_count(format, moments.columnCount)))
    var sums = wb_feedback_sums()
    try factors.withFactor(of: moments) { factor in
      var own = wb_moment_factor(
        columns: factor.columns, tiles: factor.tiles, damping: factor.damping)
      scratch.withPiece(byteCount: scratch.byteCount) { room in
        func run(_ importance: UnsafePointer<Float>?) {
          wb_feedback(
            wb_best_level(), format, &own, values, rows, importance, packed, stride, room, &sums)
        }
        if let importance {
          importance.values.withUnsafeBufferPointer { run($0.baseAddress) }
        } else {
          factor.squares.withUnsafeBufferPointer { run($0.baseAddress) }
        }
      }
    }
    return QuantizationErrors.OutputErrors(
      rowCount: Int(sums.row_count), improvedRowCount: Int(sums.improved_row_count),
      squaredValues: sums.squared_values, bestSquaredError: sums.squared_error_before,
      squaredError: sums.squared_error)
  }
}

extension DType {
  /// Whether rows of so many blocks' codes can make up for each other's errors.
  public func takesErrorFeedback(columns: Int) -> Bool {
    blockType.map { wb_feedback_takes(wb_feedback_format(blocks: $0), columns) } ?? false
  }
}

extension PackedFormat {
  /// Whether the codes of a matrix's rows can make up for each other's errors.
  public func takesErrorFeedback(_ matrix: TensorType) -> Bool {
    guard let kernel = PackingKernel(self, matrix.dtype), let columns = matrix.shape.dimensions.last
    else { return false }
    return wb_feedback_takes(wb_feedback_format(kernel), columns)
  }
}

extension wb_feedback_format {
  fileprivate init(blocks type: wb_block_type) {
    self.init()
    container = WB_FEEDBACK_BLOCKS
    self.type = type
  }

  fileprivate init(_ kernel: PackingKernel) {
    self.init()
    switch kernel {
    case .mlx(let format):
      container = WB_FEEDBACK_MLX
      mlx = format
    case .compressedTensors(let format):
      container = WB_FEEDBACK_CT
      ct = format
    }
  }
}
