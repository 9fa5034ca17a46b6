public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Bytes that come one after the other, once: a file from its beginning, a pipe, or what a decompressor makes of either.
///
/// For one thread at a time.
public protocol SequentialBytes: AnyObject {
  /// Copies the next bytes: at least one and at most as many as there is room for, or none at the end.
  ///
  /// - Throws: `inputOutput`, or what is wrong with the bytes.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Int
}

extension SequentialBytes {
  /// Fills a buffer, unless the end comes first.
  ///
  /// - Returns: how many bytes were copied.
  /// - Throws: what `read(into:)` throws.
  public func fill(_ buffer: UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Int {
    var done = 0
    while done < buffer.count {
      let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
      if count == 0 { break }
      done += count
    }
    return done
  }

  /// The next bytes as an array, fewer than asked for only at the end.
  ///
  /// - Throws: what `read(into:)` throws.
  public func next(_ count: Int) throws(CheckpointError) -> [UInt8] {
    var result = Result<Int, CheckpointError>.success(0)
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      result = Result { () throws(CheckpointError) in
        try fill(UnsafeMutableRawBufferPointer(buffer))
      }
      initialized = (try? result.get()) ?? 0
    }
    _ = try result.get()
    return bytes
  }
}

/// A region of a file, from its beginning.
public final class SequentialRegion: SequentialBytes {
  private let region: FileRegion
  /// How many bytes have been read or skipped.
  public private(set) var position = 0

  /// Begins at the first byte.
  public init(_ region: FileRegion) { self.region = region }

  /// Copies the next bytes.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Int {
    let count = Swift.min(buffer.count, region.byteCount - position)
    guard let base = buffer.baseAddress, count > 0 else { return 0 }
    try region.read(at: position, into: base, count: count)
    position += count
    return count
  }

  /// Passes over bytes without reading them.
  ///
  /// - Returns: how many there were.
  public func skip(_ count: Int) -> Int {
    let present = Swift.min(count, region.byteCount - position)
    position += present
    return present
  }
}

/// What is piped into the process.
public final class StandardInput: SequentialBytes {
  /// What messages call it.
  public static let displayName = "standard input"

  private let checkCancellation: () throws(CheckpointError) -> Void

  /// All instances read from the same pipe.
  ///
  /// - Parameter checkCancellation: called several times a second while nothing comes; what it throws ends the reading.
  public init(
    checkCancellation: @escaping () throws(CheckpointError) -> Void = {
      () throws(CheckpointError) in
    }
  ) {
    self.checkCancellation = checkCancellation
  }

  /// Copies the next bytes, waiting for them if need be.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Int {
    var state = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
    while true {
      try checkCancellation()
      let ready = poll(&state, 1, 200)
      if ready > 0 || (ready < 0 && errno != EINTR) { break }
    }
    let count = retrying { readDescriptor(STDIN_FILENO, buffer.baseAddress, buffer.count) }
    guard count >= 0 else { throw systemError("read", Self.displayName) }
    return count
  }
}

/// `read`, which a method of that name hides where it is needed.
private func readDescriptor(
  _ descriptor: Int32, _ base: UnsafeMutableRawPointer?, _ count: Int
) -> Int { read(descriptor, base, count) }

/// Bytes that were read ahead to see what they are, and then the rest.
final class RejoinedBytes: SequentialBytes {
  private var ahead: ArraySlice<UInt8>
  private let rest: any SequentialBytes

  init(_ ahead: [UInt8], _ rest: any SequentialBytes) {
    self.ahead = ahead[...]
    self.rest = rest
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(CheckpointError) -> Int {
    guard !ahead.isEmpty else { return try rest.read(into: buffer) }
    let part = ahead.prefix(buffer.count)
    buffer.copyBytes(from: part)
    ahead = ahead.dropFirst(part.count)
    return part.count
  }
}
