// Files without a name, for what has to be unpacked before it can be read at positions.

public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A file that has no name any more and vanishes when it is closed, whatever happens to the process.
public final class TemporaryFile: Sendable {
  private let descriptor: Int32
  private let directory: String
  private let operations = FileSystem.operations

  /// Creates one.
  ///
  /// - Parameter directory: on the disk that is to hold it.
  /// - Throws: `inputOutput`, `missing` or `noSpace`.
  public init(in directory: String) throws(CheckpointError) {
    self.directory = directory
    let operations = operations
    descriptor = try perform("create a temporary file in", directory) { () throws(SystemFailure) in
      try operations.createUnnamed(in: directory)
    }
  }

  deinit { operations.close(descriptor) }

  /// Writes bytes at a position.
  ///
  /// - Throws: `noSpace` or `inputOutput`.
  public func write(
    at offset: Int, from base: UnsafeRawPointer, count: Int
  ) throws(CheckpointError) {
    try writeFully(
      descriptor, at: offset, from: base, count: count, path: "temporary file in \(directory)",
      by: operations)
  }

  /// Reads bytes at a position.
  ///
  /// - Throws: `inputOutput`.
  public func read(
    at offset: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    try readFully(
      descriptor, at: offset, into: base, count: count, path: "temporary file in \(directory)")
  }

  /// Where temporary files go when nobody says: `TMPDIR`, else `/var/tmp`, which is on a disk, unlike many a `/tmp`.
  public static var defaultDirectory: String {
    if let variable = getenv("TMPDIR"), variable.pointee != 0 { return String(cString: variable) }
    return "/var/tmp"
  }
}

/// How much an archive may grow when it is unpacked: small files that unpack to whole disks are attacks.
public struct ExpansionLimit: Sendable, Hashable {
  /// How many times its size an archive as a whole may have unpacked.
  public let factor: Int

  /// What real checkpoints stay below by far, all but those full of zeros.
  public static let standard = ExpansionLimit(factor: 100)
  /// What any archive may unpack to.
  public static let alwaysAllowed = 1_000_000_000

  /// A limit; the factor is at least 1.
  public init(factor: Int) { self.factor = max(1, factor) }

  /// Refuses to unpack more than the limit.
  ///
  /// - Parameters:
  ///   - unpacked: bytes that the archive has unpacked, as far as that is known.
  ///   - stored: bytes of the archive.
  /// - Throws: `unsupported`, with the option that allows more.
  func check(unpacked: Int, from stored: Int) throws(CheckpointError) {
    let product = stored.multipliedReportingOverflow(by: factor)
    let limit = max(Self.alwaysAllowed, product.overflow ? Int.max : product.partialValue)
    guard unpacked > limit else { return }
    let needed = unpacked / max(1, stored) + 1
    throw CheckpointError(
      .unsupported, "the archive unpacks to more than \(factor) times its size",
      expected: "at most \(limit) bytes", found: "\(unpacked) or more from \(stored)",
      hint: "if you trust it, allow more with --max-expansion \(needed)")
  }
}

/// Where and how far archives are unpacked.
public struct Unpacking: Sendable {
  /// The directory for temporary files.
  public var directory: String
  /// How much they may grow.
  public var limit: ExpansionLimit

  /// By default the system's directory for temporary files, and the standard limit.
  public init(
    directory: String = TemporaryFile.defaultDirectory, limit: ExpansionLimit = .standard
  ) {
    self.directory = directory
    self.limit = limit
  }
}
