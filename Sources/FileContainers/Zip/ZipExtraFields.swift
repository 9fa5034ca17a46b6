import TensorModel

/// What an entry's extra fields add to its header.
struct ZipExtraFields {
  private let zip64: LittleEndianBytes?
  private let base: Int

  private static let zip64Tag: UInt16 = 0x0001
  private static let unicodePathTag: UInt16 = 0x7075

  /// Splits extra fields.
  ///
  /// - Parameters:
  ///   - fields: all of them.
  ///   - name: the header's, which a Unicode path must repeat: readers differ in which of the two they use.
  /// - Throws: `malformed`.
  init(_ fields: LittleEndianBytes, name: ArraySlice<UInt8>) throws(CheckpointError) {
    var zip64: LittleEndianBytes?
    var position = 0
    while position < fields.count {
      guard fields.count - position >= 4,
        let payload = fields.part(position + 4, Int(fields.u16(position + 2)))
      else {
        throw CheckpointError(
          .malformed, "a zip entry's extra fields don't fill their length",
          byteOffset: fields.base + position, expected: "a tag, a length and that many bytes",
          found: "\(fields.count - position) bytes")
      }
      switch fields.u16(position) {
      case Self.zip64Tag:
        guard zip64 == nil else {
          throw CheckpointError(
            .malformed, "two zip64 fields in one zip header", byteOffset: payload.base)
        }
        zip64 = payload
      case Self.unicodePathTag:
        guard payload.bytes.dropFirst(5) == name else {
          throw CheckpointError(
            .malformed, "a zip entry has two different names", byteOffset: payload.base,
            expected: String(decoding: name, as: UTF8.self),
            found: String(decoding: payload.bytes.dropFirst(5), as: UTF8.self))
        }
      default: break
      }
      position += 4 + payload.count
    }
    self.zip64 = zip64
    base = fields.base
  }

  /// The true values of header fields, of which those that are 0xFFFFFFFF stand in the zip64 field.
  ///
  /// The field has either only those, or all of them again, as Python's `force_zip64` writes.
  ///
  /// - Parameters:
  ///   - small: size, compressed size, and in the central directory the offset.
  ///   - count: how many of these there are, 2 or 3.
  ///   - ownOffset: where a local header is: PyTorch's writer repeats it there beyond 4 GiB.
  /// - Returns: the same fields in 64 bits.
  /// - Throws: `malformed`.
  func resolve(
    _ small: SIMD4<UInt32>, count: Int, ownOffset: Int? = nil
  ) throws(CheckpointError) -> SIMD4<UInt64> {
    let full = UInt32.max
    var values = SIMD4<UInt64>(truncatingIfNeeded: small)
    var missing = 0
    for place in 0..<count where small[place] == full { missing += 1 }
    guard let zip64 else {
      guard missing == 0 else {
        throw CheckpointError(
          .malformed, "a zip header refers to a zip64 field that isn't there", byteOffset: base,
          expected: "a zip64 field", found: "size or offset 0xffffffff")
      }
      return values
    }
    let repeatsOffset =
      zip64.count == missing * 8 + 8 && ownOffset.map(UInt64.init) == zip64.u64(missing * 8)
    if missing > 0 && zip64.count == missing * 8 || repeatsOffset {
      var position = 0
      for place in 0..<count where small[place] == full {
        values[place] = zip64.u64(position)
        position += 8
      }
      return values
    }
    // All fields, perhaps with the offset (zero in a local header) and disk after them.
    guard zip64.count >= count * 8, zip64.count == 16 || zip64.count == 24 || zip64.count == 28
    else {
      throw CheckpointError(
        .malformed, "a zip64 field of the wrong length", byteOffset: zip64.base,
        expected: "\(missing * 8) or \(count * 8) bytes", found: "\(zip64.count)")
    }
    for place in 0..<count {
      let large = zip64.u64(place * 8)
      guard small[place] == full || values[place] == large else {
        throw CheckpointError(
          .malformed, "a zip header and its zip64 field disagree", byteOffset: zip64.base,
          expected: "\(small[place])", found: "\(large)")
      }
      values[place] = large
    }
    return values
  }
}
