import CTensorKernels
import FileContainers
import TensorModel

/// What an update does to a tensor's bytes, piece by piece, in order.
protocol ByteUpdate: AnyObject {
  /// Turns the base's bytes into the new ones.
  ///
  /// - Throws: `malformed` where the update ends too early, what decompressing throws.
  func apply(
    to bytes: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(CheckpointError)

  /// Makes sure that nothing is left of the update.
  ///
  /// - Throws: `malformed`.
  func expectEnd() throws(CheckpointError)
}

/// The uncompressed bytes of a frame, of which just so many are expected.
private struct FrameBytes {
  let stream: ZstdStream
  let tensor: String

  init(_ frame: FileRegion, _ tensor: String) throws(CheckpointError) {
    stream = try ZstdStream(SequentialRegion(frame))
    self.tensor = tensor
  }

  func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CheckpointError) {
    guard try stream.fill(buffer) == buffer.count else {
      throw CheckpointError(
        .malformed, "the update has fewer bytes than it should", tensor: tensor,
        hint: "the update is damaged, or it is of another model than the base")
    }
  }

  func expectEnd() throws(CheckpointError) {
    guard try stream.next(1).isEmpty else {
      throw CheckpointError(
        .malformed, "the update has more bytes than it should", tensor: tensor,
        hint: "the update is damaged, or it is of another model than the base")
    }
  }

  func words(_ count: Int) throws(CheckpointError) -> [UInt32] {
    let bytes = try stream.next(4 * count)
    guard bytes.count == 4 * count else {
      throw CheckpointError(
        .malformed, "the update has fewer bytes than it should", tensor: tensor)
    }
    return (0..<count).map { place in
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[4 * place + $1]) << UInt32(8 * $1) }
    }
  }
}

/// New bytes as their exclusive or with the old ones.
final class XORUpdate: ByteUpdate {
  private let frame: FrameBytes
  private let scratch: Pages

  init(_ region: FileRegion, _ tensor: String) throws(CheckpointError) {
    frame = try FrameBytes(region, tensor)
    scratch = try Pages(byteCount: 256 << 10)
  }

  func apply(
    to bytes: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(CheckpointError) {
    guard let base = bytes.baseAddress else { return }
    var done = 0
    while done < bytes.count {
      let count = min(scratch.bytes.count, bytes.count - done)
      try frame.fill(UnsafeMutableRawBufferPointer(rebasing: scratch.bytes[..<count]))
      wb_xor(base + done, scratch.bytes.baseAddress, base + done, count)
      done += count
    }
  }

  func expectEnd() throws(CheckpointError) { try frame.expectEnd() }
}

/// New bytes and their positions, in ascending order: the frame is read twice at once, there for positions and here for bytes.
final class OverwriteUpdate: ByteUpdate {
  private let positions: FrameBytes
  private let values: FrameBytes
  private let byteCount: Int
  private let count: Int
  private var taken = 0
  private var waiting: ArraySlice<UInt32> = []
  private var last = -1

  private static let batchCount = 16 << 10

  init(_ region: FileRegion, _ tensor: String, byteCount: Int) throws(CheckpointError) {
    positions = try FrameBytes(region, tensor)
    values = try FrameBytes(region, tensor)
    self.byteCount = byteCount
    count = Int(try positions.words(1)[0])
    guard count <= byteCount else {
      throw CheckpointError(
        .malformed, "the update changes more bytes than there are", tensor: tensor,
        expected: "at most \(byteCount)", found: "\(count)")
    }
    // The bytes stand behind the count and all positions.
    var skipped = 4 + 4 * count
    while skipped > 0 {
      let piece = min(skipped, 1 << 20)
      guard try values.stream.next(piece).count == piece else {
        throw CheckpointError(
          .malformed, "the update has fewer bytes than it should", tensor: tensor)
      }
      skipped -= piece
    }
  }

  func apply(
    to bytes: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(CheckpointError) {
    while let position = try next(), position < offset + bytes.count {
      waiting.removeFirst()
      let value = try values.stream.next(1)
      guard let value = value.first else {
        throw CheckpointError(
          .malformed, "the update has fewer bytes than it should", tensor: values.tensor)
      }
      bytes[position - offset] = value
    }
  }

  /// The position of the next byte that changes; nil after the last.
  private func next() throws(CheckpointError) -> Int? {
    if waiting.isEmpty, taken < count {
      let batch = min(Self.batchCount, count - taken)
      let words = try positions.words(batch)
      for word in words {
        guard Int(word) > last, Int(word) < byteCount else {
          throw CheckpointError(
            .malformed, "positions that don't ascend within the tensor",
            tensor: positions.tensor, expected: "\(last + 1) to \(byteCount - 1)",
            found: "\(word)")
        }
        last = Int(word)
      }
      waiting = words[...]
      taken += batch
    }
    return waiting.first.map { Int($0) }
  }

  func expectEnd() throws(CheckpointError) { try values.expectEnd() }
}
