import ArgumentParser
import FileContainers
import TensorModel

/// A report in a file of its own: complete or absent.
struct ReportFile {
  private let output: SingleOutput

  private static let kind = SingleOutput.Kind(
    title: "a report of this tool",
    beginning: Array(
      """
      <!DOCTYPE html>
      <html lang="en" xmlns="http://www.w3.org/1999/xhtml">
      <head>
      <meta charset="utf-8"/>
      <meta http-equiv="Content-Security-Policy" content="default-src 'none';
      """.utf8))

  /// Finds out whether the report can be written, before the work that it reports on.
  ///
  /// - Parameters:
  ///   - path: of the report.
  ///   - checkpoints: what it may neither replace nor be put into.
  ///   - inputs: what is read, which it may not replace.
  /// - Throws: `conflict` if something is in the way, `missing` without a directory, `inputOutput` if nothing can be created there.
  init(_ path: String, besides checkpoints: [String], _ inputs: ReadFiles) throws(CheckpointError) {
    let place = Directories.resolved(path)
    for checkpoint in checkpoints where checkpoint != "-" {
      guard place != Directories.resolved(checkpoint), !Directories.isInside(path, checkpoint)
      else {
        throw CheckpointError(
          .conflict, "the report would be in the checkpoint", file: path,
          hint: "name a file beside it")
      }
    }
    output = try SingleOutput(path, Self.kind, besides: inputs)
  }

  /// Writes it.
  ///
  /// - Throws: `noSpace`, `inputOutput`, or `conflict` if something has appeared there meanwhile.
  func write(_ contents: [UInt8]) throws(CheckpointError) {
    try output.file.write(at: 0, contents)
    try output.finish()
  }

  /// Refuses names for a page that say it is something else.
  ///
  /// - Throws: `ValidationError`.
  static func requirePage(_ path: String?) throws {
    if let path, !path.hasSuffix(".html") {
      throw ValidationError("--report writes HTML: name a file that ends in .html.")
    }
  }
}
