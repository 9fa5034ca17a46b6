import FileContainers
import TensorModel

/// The fields of a small message whose fields are all known: a field twice or an unknown one is refused, because readers would differ.
struct BundleFields {
  private var values: [(number: UInt64, value: ProtobufMessage.Value)] = []
  private let byteOffset: Int

  /// Reads all fields.
  ///
  /// - Parameters:
  ///   - bytes: the message.
  ///   - known: the numbers that it may have.
  ///   - repeated: those that may stand several times.
  /// - Throws: `malformed`; `unsupported` for other fields.
  init(
    _ bytes: ArraySlice<UInt8>, known: ClosedRange<UInt64>, repeated: Set<UInt64> = []
  ) throws(CheckpointError) {
    byteOffset = bytes.startIndex
    var message = ProtobufMessage(bytes)
    var seen: Set<UInt64> = []
    while let field = try message.next() {
      guard known.contains(field.number) else {
        throw CheckpointError(
          .unsupported, "a field that is not known here", byteOffset: byteOffset,
          found: "field \(field.number)",
          hint: "load it with the TensorFlow that wrote it, and save it as safetensors")
      }
      guard seen.insert(field.number).inserted || repeated.contains(field.number) else {
        throw CheckpointError(
          .malformed, "a field stands twice", byteOffset: byteOffset,
          found: "field \(field.number)")
      }
      values.append(field)
    }
  }

  /// Whether a field is there, whatever its value.
  func has(_ number: UInt64) -> Bool { values.contains { $0.number == number } }

  /// An integer; 0 if it isn't there.
  func number(_ number: UInt64) throws(CheckpointError) -> UInt64 {
    guard let field = values.first(where: { $0.number == number }) else { return 0 }
    guard case .varint(let value) = field.value else { throw wrongType(number) }
    return value
  }

  /// A size or place; 0 if it isn't there.
  func count(_ number: UInt64) throws(CheckpointError) -> Int {
    guard let count = Int(exactly: try self.number(number)) else {
      throw CheckpointError(
        .malformed, "a size or place that is negative or too large", byteOffset: byteOffset,
        found: "field \(number)")
    }
    return count
  }

  /// Four bytes; 0 if they aren't there.
  func fixed32(_ number: UInt64) throws(CheckpointError) -> UInt32 {
    guard let field = values.first(where: { $0.number == number }) else { return 0 }
    guard case .fixed32(let value) = field.value else { throw wrongType(number) }
    return value
  }

  /// A message; nil if it isn't there.
  func message(_ number: UInt64) throws(CheckpointError) -> ArraySlice<UInt8>? {
    try messages(number).first
  }

  /// All messages of a repeated field.
  func messages(_ number: UInt64) throws(CheckpointError) -> [ArraySlice<UInt8>] {
    var found: [ArraySlice<UInt8>] = []
    for field in values where field.number == number {
      guard case .bytes(let bytes) = field.value else { throw wrongType(number) }
      found.append(bytes)
    }
    return found
  }

  private func wrongType(_ number: UInt64) -> CheckpointError {
    CheckpointError(
      .malformed, "a field of another type", byteOffset: byteOffset, found: "field \(number)")
  }
}
