import FileContainers
import TensorModel

/// A report in a file of its own: complete or absent.
struct ReportFile {
  private let path: String
  private let replaces: Bool

  /// Finds out whether the report can be written, before the work that it reports on.
  ///
  /// - Parameters:
  ///   - path: of the report.
  ///   - checkpoints: what it may neither replace nor be put into.
  ///   - replacing: whether a file that exists may be replaced.
  /// - Throws: `conflict` if something is in the way, `missing` without a directory, `inputOutput` if nothing can be created there.
  init(_ path: String, besides checkpoints: [String], replacing: Bool) throws(CheckpointError) {
    self.path = path
    replaces = replacing
    let place = Directories.resolved(path)
    for checkpoint in checkpoints where checkpoint != "-" {
      let taken = Directories.resolved(checkpoint)
      guard place != taken && !place.hasPrefix(taken + "/") else {
        throw CheckpointError(
          .conflict, "the report would be in the checkpoint", file: path,
          hint: "name a file beside it")
      }
    }
    let destination = try destination()
    let lock = try destination.begin()
    try withExtendedLifetime(lock) { () throws(CheckpointError) in
      try destination.discardPartial()
    }
  }

  private func destination() throws(CheckpointError) -> AtomicDestination {
    try AtomicDestination(path, kind: .file, replacing: replaces)
  }

  /// Writes it.
  ///
  /// - Throws: `noSpace`, `inputOutput`, or `conflict` if something has appeared there meanwhile.
  func write(_ contents: [UInt8]) throws(CheckpointError) {
    let destination = try destination()
    let lock = try destination.begin()
    let name = Directories.split(destination.path).name
    try withExtendedLifetime(lock) { () throws(CheckpointError) in
      do throws(CheckpointError) {
        try OutputFile.create("\(destination.partialPath)/\(name)", contents: contents)
        if let leftover = try destination.publish([name]) {
          Console.error(
            "warning: \(printable(leftover)) could not be removed; nothing in it is needed")
        }
      } catch {
        try? destination.discardPartial()
        throw error
      }
    }
  }
}

extension QuantizeCommand {
  /// Where `--report` goes; nil without one.
  ///
  /// - Throws: what `ReportFile` throws.
  func reportFile() throws(CheckpointError) -> ReportFile? {
    guard let report else { return nil }
    return try ReportFile(
      report, besides: [source, destination] + [imatrix, tokensFile].compactMap { $0 },
      replacing: options.force)
  }
}
