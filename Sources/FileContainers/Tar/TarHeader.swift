// Tar archives (POSIX pax and ustar: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06; GNU:
// https://www.gnu.org/software/tar/manual/html_node/Standard.html). Everything is in blocks of 512 bytes. In order:
//
// 1. for each member
//    a. perhaps an extended header: a member of type 'x' whose data are pax records, or 'L' whose data are a long path (GNU)
//    b. header, one block: name 100 bytes, mode 8, user 8, group 8, size 12, time 12, checksum 8, type 1, link 100,
//       magic 6 ("ustar\0", or "ustar " for GNU), version 2, user name 32, group name 32, device 8 + 8, path prefix 155
//    c. the data, padded with anything to whole blocks
// 2. two blocks of zeros
// 3. zeros, up to the size of a tape record
//
// Numbers are octal digits ended by a space or NUL, or, if the first byte is 0x80, big-endian integers (GNU's base-256).
// The checksum is the sum of the header's bytes with the checksum itself taken as spaces.

import TensorModel

/// The header block of a tar member.
struct TarHeader {
  /// What the member is, as one character.
  let type: Unicode.Scalar
  /// The path that the header gives it; extended headers can give it another.
  let path: [UInt8]
  /// Bytes of the data.
  let byteCount: Int

  static let blockByteCount = 512
  /// What a writer puts for a size that needs more digits, which a pax record then has.
  static let largestOctalByteCount = 0o777_7777_7777

  /// Parses a block.
  ///
  /// - Parameters:
  ///   - block: 512 bytes.
  ///   - offset: where it begins in the archive.
  /// - Throws: `corrupt` if the checksum is wrong, `malformed`.
  init(_ block: [UInt8], at offset: Int) throws(CheckpointError) {
    let declared = try Self.number(block[148..<156], "checksum", at: offset + 148)
    let sums = Self.checksums(of: block)
    guard declared == sums.unsigned || declared == sums.signed else {
      throw CheckpointError(
        .corrupt,
        offset == 0
          ? "not a tar archive, or its first header is damaged: the checksum doesn't match"
          : "the checksum of a tar header doesn't match",
        byteOffset: offset, expected: "\(sums.unsigned)", found: "\(declared)",
        hint: "the archive was damaged; get it again")
    }
    type = Unicode.Scalar(block[156])
    byteCount = try Self.number(block[124..<136], "size", at: offset + 124)
    let name = Self.text(block[0..<100])
    let prefix = block[257..<263].elementsEqual("ustar\0".utf8) ? Self.text(block[345..<500]) : []
    path = prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
  }

  /// Whether a block can be a header; nothing is known about its fields.
  static func hasValidChecksum(_ block: [UInt8]) -> Bool {
    guard block.count == blockByteCount,
      let declared = try? number(block[148..<156], "checksum", at: 148)
    else { return false }
    let sums = checksums(of: block)
    return declared == sums.unsigned || declared == sums.signed
  }

  /// Old writers summed the bytes as signed ones.
  private static func checksums(of block: [UInt8]) -> (unsigned: Int, signed: Int) {
    var sums = (unsigned: 8 * 0x20, signed: 8 * 0x20)
    for (index, byte) in block.enumerated() where !(148..<156).contains(index) {
      sums.unsigned += Int(byte)
      sums.signed += Int(Int8(bitPattern: byte))
    }
    return sums
  }

  private static func text(_ field: ArraySlice<UInt8>) -> [UInt8] {
    Array(field.prefix { $0 != 0 })
  }

  private static func number(
    _ field: ArraySlice<UInt8>, _ name: String, at offset: Int
  ) throws(CheckpointError) -> Int {
    func refusal(_ expected: String) -> CheckpointError {
      CheckpointError(
        .malformed, "the \(name) in a tar header", byteOffset: offset, expected: expected,
        found: field.map { String($0, radix: 16) }.joined(separator: " "),
        hint: "the archive was damaged; get it again")
    }
    if let first = field.first, first & 0x80 != 0 {
      guard first == 0x80 else { throw refusal("a non-negative number below 2^63") }
      var value = 0
      for byte in field.dropFirst() {
        guard value >> 55 == 0 else { throw refusal("a non-negative number below 2^63") }
        value = value << 8 | Int(byte)
      }
      return value
    }
    let digits = field.drop { $0 == 0x20 }
    let octal = digits.prefix { (0x30...0x37).contains($0) }
    guard digits[octal.endIndex...].allSatisfy({ $0 == 0x20 || $0 == 0 }) else {
      throw refusal("octal digits")
    }
    return octal.reduce(0) { $0 << 3 | Int($1 - 0x30) }
  }
}
