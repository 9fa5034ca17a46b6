import FileContainers
import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Where an archive is unpacked to before its tensors can be read at positions.
struct Spool {
  private let options: OpenOptions

  /// For opening with these options.
  init(_ options: OpenOptions) { self.options = options }

  /// Opens an archive, unpacking it if need be.
  ///
  /// With a spool path, a finished spool stays there, for `--resume`; without, it has no name and vanishes with the process.
  ///
  /// - Throws: what `openArchive` throws.
  func open(
    _ archive: ArchiveSource, _ name: String
  ) throws(CheckpointError) -> (tree: ArchiveTree, findings: [Finding]) {
    guard let path = options.spoolPath else {
      // Not named by the process alone: two may be open at once, and in containers a killed one's number returns.
      let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
      let path = "\(options.temporaryDirectory)/.weighbridge-spool-\(getpid())-\(suffix)"
      defer { try? FileSystem.operations.removeFile(path) }
      return try unpack(archive, name, to: path)
    }
    if fileExists(path) {
      return try openArchive(
        .file(InputFile(path: path)), displayName: name, spoolPath: path, progress: nil,
        checkCancellation: options.checkCancellation)
    }
    let unfinished = "\(path).unfinished"
    try Directories.removeTree(unfinished)
    let result = try unpack(archive, name, to: unfinished)
    if fileExists(unfinished) { try Directories.rename(unfinished, to: path) }
    return result
  }

  private func unpack(
    _ archive: ArchiveSource, _ name: String, to path: String
  ) throws(CheckpointError) -> (tree: ArchiveTree, findings: [Finding]) {
    try openArchive(
      archive, displayName: name, spoolPath: path, limit: options.expansionLimit,
      progress: options.progress, checkCancellation: options.checkCancellation)
  }
}
