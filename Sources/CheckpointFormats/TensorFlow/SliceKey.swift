// The key under which a slice of a partitioned variable has its entry (tensorflow/core/util/saved_tensor_slice_util.cc,
// core/lib/strings/ordered_code.cc): numbers and texts written so that keys sort as these do.
//
// 1. the number 0, the variable's name, its rank, and for each dimension where the slice begins and its length, −1 for all of it
// 2. rank and 0 without a sign: how many bytes follow, then these, the highest first; 0 has none
// 3. a text: 00 becomes 00 FF, FF becomes FF 00; 00 01 at the end
// 4. numbers with a sign in 7 bits of each byte: as many ones as bytes, then a zero, then the number; all of it inverted below zero

/// Keys of slices, which begin with a zero and so stand before all names.
enum SliceKey {
  /// What such a key begins with.
  static let firstByte: UInt8 = 0

  /// The key of a slice.
  static func bytes(_ name: String, _ extents: [BundleExtent]) -> [UInt8] {
    var key: [UInt8] = [0]
    for byte in name.utf8 {
      switch byte {
      case 0: key += [0, 0xff]
      case 0xff: key += [0xff, 0]
      default: key.append(byte)
      }
    }
    key += [0, 1]
    key += extents.isEmpty ? [0] : [1, UInt8(extents.count)]
    for extent in extents { key += signed(extent.start) + signed(extent.length ?? -1) }
    return key
  }

  private static func signed(_ number: Int) -> [UInt8] {
    let magnitude = UInt64(bitPattern: Int64(number < 0 ? ~number : number))
    let count = (UInt64.bitWidth - magnitude.leadingZeroBitCount) / 7 + 1
    // Ten bytes are the most; sixteen bits of ones before them are enough.
    var bytes = [UInt8](repeating: number < 0 ? 0xff : 0, count: count)
    for place in 0..<min(count, 8) {
      bytes[count - 1 - place] = UInt8(
        truncatingIfNeeded: UInt64(bitPattern: Int64(number)) >> UInt64(8 * place))
    }
    for bit in 0..<count { bytes[bit / 8] ^= 0x80 >> UInt8(bit % 8) }
    return bytes
  }
}
