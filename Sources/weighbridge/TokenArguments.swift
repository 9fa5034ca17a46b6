import ArgumentParser
import CheckpointConversion
import FileContainers
import Foundation
import ReferenceForward
import TensorModel

/// Token ids as they are given on the command line.
struct TokenArguments {
  let tokens: String?
  let file: String?
  /// Takes in the file.
  let inputs: ReadFiles

  /// Rows of tokens; nil if none were given.
  ///
  /// - Throws: `usage` for anything but ids.
  func rows() throws(CheckpointError) -> [[Int]]? {
    if let file { return try TokenFile.rows(at: file, recordedIn: inputs) }
    guard let tokens else { return nil }
    var row: [Int] = []
    for part in tokens.split(separator: ",", omittingEmptySubsequences: false) {
      guard let token = Int(part.trimmingCharacters(in: .whitespaces)) else {
        throw CheckpointError(
          .usage, "--tokens takes ids separated by commas", found: String(part))
      }
      row.append(token)
    }
    return [row]
  }

  /// One row of tokens; nil if none were given.
  ///
  /// - Throws: `usage` for several rows.
  var row: [Int]? {
    get throws(CheckpointError) {
      guard let rows = try rows() else { return nil }
      guard rows.count == 1 else {
        throw CheckpointError(
          .usage, "one row of tokens is needed here", file: file, found: "\(rows.count)",
          hint: "give one row, or a text with --text and --window")
      }
      return rows[0]
    }
  }
}
