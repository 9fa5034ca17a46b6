import FileContainers
import TensorModel

/// The importances of one weight.
struct ImportanceEntry: Sendable {
  /// Of all columns of the first expert, then of the next.
  let importances: [Float]
  /// How many experts they are for; the older form doesn't say, and counts as 1.
  let expertCount: Int
}

/// What is read from a file of either form.
struct ImportanceTable {
  var datasets: [String] = []
  var chunkCount: Int?
  private(set) var entries: [ExactName: ImportanceEntry] = [:]

  /// The largest models have some thousand weights.
  static let maximumEntryCount = 65536

  /// Adds a weight's importances.
  ///
  /// - Throws: `malformed` if they can't be, or if there are some of that weight already.
  mutating func add(_ name: String, _ entry: ImportanceEntry) throws(CheckpointError) {
    if let index = entry.importances.firstIndex(where: { !($0.isFinite && $0 >= 0) }) {
      throw CheckpointError(
        .malformed, "an importance that can't be", tensor: name,
        expected: "finite numbers of 0 or more",
        found: "\(entry.importances[index]) for column \(index)",
        hint: "make the importance matrix again: the model may have computed infinities")
    }
    guard entries.updateValue(entry, forKey: ExactName(name)) == nil else {
      throw CheckpointError(.malformed, "importances of the same weight twice", tensor: name)
    }
  }
}

extension FileRegion {
  /// Numbers of binary32.
  ///
  /// - Throws: `malformed` if they aren't all there, `inputOutput`.
  func floats(
    at position: Int, count: Int, isBigEndian: Bool = false
  ) throws(CheckpointError) -> [Float] {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: 4)
    let bytes = try bytes(at: position, count: overflow ? .max : byteCount)
    return (0..<count).map { index in
      let run = bytes[index * 4..<index * 4 + 4]
      let bits = run.reversed().reduce(0) { $0 << 8 | UInt32($1) }
      return Float(bitPattern: isBigEndian ? bits.byteSwapped : bits)
    }
  }

  /// Numbers of binary64.
  ///
  /// - Throws: as `floats`.
  func doubles(
    at position: Int, count: Int, isBigEndian: Bool = false
  ) throws(CheckpointError) -> [Double] {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: 8)
    let bytes = try bytes(at: position, count: overflow ? .max : byteCount)
    return (0..<count).map { index in
      let run = bytes[index * 8..<index * 8 + 8]
      let bits = run.reversed().reduce(0) { $0 << 8 | UInt64($1) }
      return Double(bitPattern: isBigEndian ? bits.byteSwapped : bits)
    }
  }
}
