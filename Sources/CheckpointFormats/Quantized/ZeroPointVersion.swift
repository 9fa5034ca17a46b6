import TensorModel

/// Which version of GPTQ zero points are of, as their values tell it.
///
/// Weights lie around 0, whatever zero points a quantizer chose: so the median over the columns of the mean of codes less zero points is nearly 0, and one
/// step away from it where these are read as the other version's. A step of 2 to 4 bits is far more than the means of weights; of 8 bits it isn't.
enum ZeroPointVersion {
  /// Zero points less one.
  case first
  /// Zero points as they are.
  case second

  /// The version of a module whose zero points are all in the middle of the range; nil for others.
  ///
  /// - Throws: what reading throws.
  init?(symmetric module: QuantizedModule, bits: Int) throws(CheckpointError) {
    guard let tensor = module.words(".qzeros") else { return nil }
    let row = tensor.shape.dimensions[1] * 4
    // Of so many that it is certain.
    let fields = CodeFields(
      try module.head(of: ".qzeros", byteCount: min(row, 3 << 10)), bits: bits)
    guard fields.count > 0, (0..<fields.count).allSatisfy({ fields[$0] == fields[0] }) else {
      return nil
    }
    switch fields[0] {
    case 1 << (bits - 1): self = .second
    case 1 << (bits - 1) - 1: self = .first
    default: return nil
    }
  }

  /// The version of modules with any zero points, of which a few are looked at; nil where their values don't say.
  ///
  /// - Throws: what reading throws.
  init?(asymmetric modules: [QuantizedModule], bits: Int) throws(CheckpointError) {
    guard bits <= 4 else { return nil }
    let smallest = modules.enumerated().map { place, module in
      (size: module.words(".qweight")?.byteCount ?? .max, place: place, module: module)
    }.sorted { ($0.size, $0.place) < ($1.size, $1.place) }
    var found: ZeroPointVersion?
    for (_, _, module) in smallest.prefix(Self.moduleCount) {
      guard let version = try Self.version(of: module, bits: bits) else { continue }
      guard found == nil || found == version else { return nil }
      found = version
    }
    guard let found else { return nil }
    self = found
  }

  // MARK: What is looked at

  private static let moduleCount = 4
  private static let codesByteCount = 128 << 10
  private static let zerosByteCount = 256 << 10
  /// Fewer say nothing.
  private static let fewestColumns = 16
  /// How far from 0 a median may be, and from a step.
  private static let nearness = 0.25

  private static func version(
    of module: QuantizedModule, bits: Int
  ) throws(CheckpointError) -> ZeroPointVersion? {
    guard let codes = module.words(".qweight"), let zeros = module.words(".qzeros") else {
      return nil
    }
    let columns = codes.shape.dimensions[1]
    let (groups, words) = (zeros.shape.dimensions[0], zeros.shape.dimensions[1])
    // So many rows of words end with a whole code.
    let step = bits == 3 ? 3 : 1
    let rows = min(
      codes.shape.dimensions[0] / step, max(1, codesByteCount / (max(1, columns) * 4 * step)))
    guard columns >= fewestColumns, rows > 0, groups > 0, columns * 4 * step <= 4 * codesByteCount,
      words * 32 >= columns * bits, (words * 32).isMultiple(of: bits)
    else { return nil }
    let seen = rows * step * 32 / bits
    let cells = try module.head(of: ".qweight", byteCount: rows * step * columns * 4)
    let points = try module.head(of: ".qzeros", byteCount: zerosByteCount)
    let index = try module.indexHead(count: seen)
    let inputs = codes.shape.dimensions[0] * 32 / bits
    let size = (inputs + groups - 1) / groups
    let places = (0..<seen).compactMap { place -> (input: Int, group: Int)? in
      let group = index?[place] ?? place / size
      guard (0..<groups).contains(group), (group + 1) * words * 4 <= points.count else {
        return nil
      }
      return (place, group)
    }
    guard !places.isEmpty else { return nil }
    var means: (first: [Double], second: [Double]) = ([], [])
    let range = 1 << bits - 1
    let offsets = CodeFields(points, bits: bits)
    for column in 0..<columns {
      let down = CodeFields(cells, bits: bits, column: column, of: columns)
      var total = (first: 0, second: 0)
      for place in places {
        let code = down[place.input]
        let stored = offsets[place.group * words * 32 / bits + column]
        total.second += code - stored
        total.first += code - (stored + 1) & range
      }
      means.first.append(Double(total.first) / Double(places.count))
      means.second.append(Double(total.second) / Double(places.count))
    }
    let (first, second) = (Median(means.first), Median(means.second))
    guard max(first.error, second.error) < nearness / 4 else { return nil }
    func isClear(_ one: Double, besides other: Double) -> Bool {
      abs(one) < nearness && abs(abs(other) - 1) < 2 * nearness
    }
    if isClear(second.value, besides: first.value) { return .second }
    return isClear(first.value, besides: second.value) ? .first : nil
  }

  /// A median, and about how far off it may be by chance.
  private struct Median {
    let value: Double
    let error: Double

    init(_ values: [Double]) {
      let middle = Self.middle(values)
      value = middle
      // Of a normal distribution 1.4826 times the median distance is the deviation, and the median's is 1.2533 times the mean's.
      error =
        1.2533 * 1.4826 * Self.middle(values.map { abs($0 - middle) })
        / Double(values.count).squareRoot()
    }

    private static func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
  }
}

/// Codes of a few bits in 32-bit words, the lowest bits first.
struct CodeFields {
  private let bytes: [UInt8]
  private let bits: Int
  private let column: Int
  private let columns: Int

  /// - Parameters:
  ///   - bytes: little-endian words.
  ///   - bits: of a code.
  ///   - column: whose words one above the other they lie in.
  ///   - columns: words of a row.
  init(_ bytes: [UInt8], bits: Int, column: Int = 0, of columns: Int = 1) {
    self.bytes = bytes
    self.bits = bits
    self.column = column
    self.columns = columns
  }

  /// How many there are.
  var count: Int { bytes.count / columns * 8 / bits }

  /// A code of 0 to 2^bits − 1.
  subscript(place: Int) -> Int {
    let bit = place * bits
    return (byte(bit / 8) | byte(bit / 8 + 1) << 8) >> (bit % 8) & (1 << bits - 1)
  }

  private func byte(_ place: Int) -> Int {
    let offset = (place / 4 * columns + column) * 4 + place % 4
    return offset < bytes.count ? Int(bytes[offset]) : 0
  }
}

extension QuantizedModule {
  /// A part that is a matrix of 32-bit words; nil for anything else.
  fileprivate func words(_ part: String) -> TensorInfo? {
    guard let tensor = tensor(part), tensor.dtype == .i32 || tensor.dtype == .u32,
      tensor.shape.rank == 2, tensor.shape.elementCount > 0
    else { return nil }
    return tensor
  }

  /// The groups of the first inputs, whatever they are; nil where they aren't said.
  ///
  /// - Throws: what reading throws.
  fileprivate func indexHead(count: Int) throws(CheckpointError) -> [Int]? {
    guard let tensor = tensor(".g_idx"), tensor.dtype == .i32 else { return nil }
    let bytes = try head(of: ".g_idx", byteCount: count * 4)
    guard bytes.count == count * 4 else { return nil }
    return (0..<count).map { place in
      let word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place * 4 + $1]) << UInt32(8 * $1) }
      return Int(Int32(bitPattern: word))
    }
  }
}
