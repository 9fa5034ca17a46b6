import FileContainers
import Foundation
import TensorModel

extension Journal {
  /// What the journal in a partial directory says of the other files there: whose they are.
  struct Mark {
    private let names: Names

    private enum Names {
      /// The process ended before it had written anything but an archive that it unpacked.
      case spoolAlone
      case work([String])
      case discarded
    }

    private struct FirstLine: Decodable {
      let files: [String]?
      let discarded: Bool?
    }

    /// What a line begins with, and the space after it.
    private static let checksumByteCount = 9

    /// More than the first line has, with the names of a checkpoint's files.
    private static let firstLineLimit = 64 << 20

    /// Reads the first line; nil if there is no journal, or none of this tool.
    ///
    /// - Throws: `inputOutput`.
    init?(of folder: String) throws(CheckpointError) {
      let path = "\(folder)/\(Journal.fileName)"
      guard FileKind(ofEntry: path) == .file, !Directories.hasOtherNames(path) else { return nil }
      let head = try InputFile(path: path).region.head(Self.firstLineLimit)
      // It has its size, and the disk never got its bytes.
      if !head.isEmpty && head.prefix(Self.checksumByteCount).allSatisfy({ $0 == 0 }) {
        names = .spoolAlone
        return
      }
      let lines = head.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
      guard let line = lines.first, lines.count > 1 else {
        // Empty, or cut short: it was being written when the process ended.
        guard Self.isBeginning(head[...]) else { return nil }
        names = .spoolAlone
        return
      }
      guard let content = Journal.content(of: line),
        let first = try? JSONDecoder().decode(FirstLine.self, from: Data(content))
      else { return nil }
      names = first.discarded == true ? .discarded : .work(first.files ?? [])
    }

    private static func isBeginning(_ line: ArraySlice<UInt8>) -> Bool {
      line.prefix(checksumByteCount).allSatisfy {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0
          || $0 == UInt8(ascii: " ")
      } && line.dropFirst(checksumByteCount).prefix(1).allSatisfy { $0 == UInt8(ascii: "{") }
    }

    /// Whether everything else in the directory has been replaced, and nobody needs it.
    var isOfDiscardedFiles: Bool {
      if case .discarded = names { return true }
      return false
    }

    /// Whether it was still to be written.
    var saysNothing: Bool {
      if case .spoolAlone = names { return true }
      return false
    }

    /// Whether a file of the directory is one of the work.
    func isOfWork(_ name: String) -> Bool {
      if [Journal.fileName, AtomicDestination.publicationName].contains(name) { return true }
      if name.wholeMatch(of: /spool-(stdin|[0-9-]+)\.tar(\.unfinished)?/) != nil { return true }
      switch names {
      case .spoolAlone: return false
      case .work(let files): return files.contains(name)
      case .discarded: return true
      }
    }
  }
}
