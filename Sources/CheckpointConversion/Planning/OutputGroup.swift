public import CheckpointFormats
public import FileContainers
public import Quantization
public import TensorEvaluation
public import TensorModel

extension ConversionPlan {
  /// What is evaluated at once: a tensor, or a weight that is stored as several (codes, scales, offsets).
  public struct OutputGroup: Hashable, Sendable {
    /// What the model calls it.
    public let name: String
    /// How it is computed, casts included: rows that consist of the parts' rows, one after the other.
    public let expression: TensorExpression
    /// The tensors that it is stored as, at least one.
    public private(set) var parts: [PlannedTensor]
    /// What a row of the expression's result consists of; nil for a tensor that stands for itself.
    public let rowParts: RowParts?
    /// Which type it gets and why, where weights are quantized.
    public var quantization: Quantization? { boxedQuantization.value }
    private let boxedQuantization: Boxed<Quantization>

    /// What the source has it as, where that is codes.
    public internal(set) var codes: StoredCodes? {
      get { boxedCodes.value }
      set { boxedCodes = Boxed(newValue) }
    }
    private var boxedCodes = Boxed<StoredCodes>.none

    /// Whether it belongs to the weight before it, and is no weight on its own.
    private(set) var isCompanion = false

    /// A tensor that stands for itself.
    public init(_ tensor: PlannedTensor, quantization: Quantization? = nil) {
      self.init(
        name: tensor.name, expression: tensor.expression, parts: [tensor],
        quantization: quantization)
    }

    /// A group.
    ///
    /// - Parameters:
    ///   - name: what the model calls it.
    ///   - expression: gives the parts' rows one after the other.
    ///   - parts: at least one.
    ///   - rowParts: what a row of the result consists of; nil for one part.
    ///   - quantization: which type it gets and why.
    public init(
      name: String, expression: TensorExpression, parts: [PlannedTensor], rowParts: RowParts? = nil,
      quantization: Quantization? = nil
    ) {
      precondition(!parts.isEmpty && (parts.count == 1) == (rowParts == nil))
      self.name = name
      self.expression = expression
      self.parts = parts
      self.rowParts = rowParts
      boxedQuantization = Boxed(quantization)
    }

    /// A tensor that belongs to the weight before it.
    init(companion tensor: PlannedTensor) {
      self.init(tensor)
      isCompanion = true
    }

    /// The same with each part changed.
    func replacing(_ change: (inout PlannedTensor) -> Void) -> OutputGroup {
      var group = self
      for place in parts.indices { change(&group.parts[place]) }
      return group
    }

    /// Bytes of all parts.
    public var byteCount: Int { parts.reduce(0) { $0 + $1.byteCount } }

    /// The dtype that values are cast to, also where they are stored in several tensors then.
    var castDType: DType {
      if case .pack(.cast(_, let dtype), _, _) = expression { return dtype }
      return parts[0].type.dtype
    }

    /// Whether values are quantized: codes are neither moved nor left as they are.
    var isQuantizedAnew: Bool {
      guard quantization?.choice.type.isQuantized == true else { return false }
      return switch expression {
      case .pack: true
      case .cast(_, let dtype), .quantize(_, let dtype, _): dtype.isBlockQuantized
      default: false
      }
    }

    /// The shape of the weight, whatever it is stored as.
    var valueShape: Shape { quantization?.values.shape ?? parts[0].type.shape }
  }

  /// An output tensor.
  public struct PlannedTensor: Hashable, Sendable {
    /// Its name in the destination.
    public let name: String
    /// Its dtype and shape.
    public let type: TensorType
    /// How it is computed on its own, casts included.
    public let expression: TensorExpression
    /// The file that holds it, as a place in `weightFiles`.
    public internal(set) var file: Int
    /// Where in the file it goes; nil where that depends on how well others compress.
    public internal(set) var place: FileLayout.Place?
    /// How a store keeps it; nil for other formats.
    public var encoding: StoreManifest.Encoding?
    /// The base's tensor that it is the same as, or is written as a difference to; nil where it is written by itself.
    public var base: StoreManifest.BaseTensor? {
      get { boxedBase.value }
      set { boxedBase = Boxed(newValue) }
    }
    private var boxedBase = Boxed<StoreManifest.BaseTensor>.none

    /// The base's tensor that it is written as a difference to.
    var difference: StoreManifest.BaseTensor? { encoding == .base ? nil : base }

    /// A tensor at a place in a file.
    ///
    /// - Parameters:
    ///   - name: in the destination.
    ///   - type: its dtype and shape.
    ///   - expression: that gives just this type.
    ///   - file: a place in the plan's `weightFiles`.
    ///   - place: where in the file it goes; nil where that depends on how well others compress.
    public init(
      name: String, type: TensorType, expression: TensorExpression, file: Int,
      place: FileLayout.Place?
    ) {
      self.name = name
      self.type = type
      self.expression = expression
      self.file = file
      self.place = place
    }

    /// Bytes of it.
    public var byteCount: Int { type.geometry.rows * type.geometry.rowByteCount }

    /// Whether values are rounded in it, as the group's are; not so where it says how the other parts are to be read.
    var isOfValues: Bool { expression.isOfValues }
  }

  /// What a tensor is quantized to.
  public struct Quantization: Hashable, Sendable {
    /// The type, and why.
    public let choice: TypeChoice
    /// The dtype that its values had, and the shape in which they are quantized.
    public let values: TensorType
    /// What has to be of one type with it; nil where nothing has.
    var fused: FusedLayer?
  }

  /// Places in `tensors` of a group's parts.
  func places(of group: Int) -> Range<Int> { tensors.places(of: group) }
}

extension TensorExpression {
  /// Whether values are rounded in a part of a group, as the group's are.
  fileprivate var isOfValues: Bool {
    switch self {
    case .part(_, .shape), .part(_, .tensorScale): false
    default: true
    }
  }
}

extension Planner.Output {
  /// Whether values are rounded in it, where it is a part of several.
  public var isOfValues: Bool { expression.isOfValues }
}
