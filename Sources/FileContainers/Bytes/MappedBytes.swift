import CPlatform
public import TensorModel

extension InputFile {
  /// Bytes that are best mapped at once: enough that mapping costs little, and few beside any limit of memory.
  public static let mappedByteCount = 4 << 20

  /// Lends bytes of the file without copying them, where the system can map them; else they are read.
  ///
  /// For what goes through a file once and needs each byte once, such as a digest. A file that becomes shorter meanwhile doesn't end the
  /// process, as it does with other mappings: the missing pages read as zeros, and then it is an error. `confirm` afterwards tells the
  /// rest: what was changed, and bytes that are missing within a page.
  ///
  /// - Parameters:
  ///   - range: at most a few megabytes, within the file.
  ///   - body: is given them; it must not keep them, and what it made of them doesn't count if this throws.
  /// - Throws: `inputOutput` if the file has become shorter or can't be read, and what the closure throws.
  public func withBytes(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    guard !range.isEmpty else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    var mapped = wb_mapped_range()
    guard wb_map_range(descriptor, Int64(range.lowerBound), Int64(range.count), &mapped) == 0 else {
      return try withReadBytes(range, body)
    }
    var failure: CheckpointError?
    do throws(CheckpointError) {
      try body(UnsafeRawBufferPointer(start: mapped.bytes, count: range.count))
    } catch { failure = error }
    guard !wb_unmap_range(mapped) else {
      if let failure { throw failure }
      return
    }
    // Reading tells what is wrong with the file.
    try withReadBytes(range) { _ in }
    throw CheckpointError(
      .inputOutput, "bytes were missing while it was read, and are there now", file: path,
      hint: "start again when nobody writes to it any more")
  }

  private func withReadBytes(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let scratch = try ScratchArena(byteCount: ScratchArena.rounded(range.count))
    try scratch.withPiece(byteCount: range.count) { (base) throws(CheckpointError) in
      try read(at: range.lowerBound, into: base, count: range.count)
      try body(UnsafeRawBufferPointer(start: base, count: range.count))
    }
  }
}
