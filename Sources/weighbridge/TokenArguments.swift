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

  /// Refuses tokens that are given twice.
  ///
  /// - Throws: `ValidationError`.
  static func requireOne(_ tokens: String?, _ file: String?, _ text: String?) throws {
    if [tokens, file, text].count(where: { $0 != nil }) > 1 {
      throw ValidationError("Give one of --tokens, --tokens-file and --text, not several.")
    }
  }

  /// Where the tokens of a run are from, in words; of options that weren't given: from nowhere but a fixed sequence.
  static func origin(_ tokens: String?, _ file: String?, _ text: String?) -> String {
    if tokens != nil { return "given by --tokens" }
    if let file { return "from \(JSONDocument.path(file))" }
    if let text { return "the beginning of \(JSONDocument.path(text)), cut by the tokenizer" }
    return "fixed ones from all over the vocabulary, the same in every run"
  }

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
        throw CheckpointError(.usage, "one row of tokens is needed here", found: "\(rows.count)")
      }
      return rows[0]
    }
  }
}
