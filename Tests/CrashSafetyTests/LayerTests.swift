import Foundation
import TestSupport
import Testing

/// Nothing in the sources writes to files past the layer that these tests take the place of.
@Suite struct LayerTests {
  /// What writes, with the files that may: the layer itself, what is no file of anybody's, and what is only a word.
  private static let writing: [(pattern: String, allowed: Set<String>)] = [
    (
      #"(?<![.\w])(pwritev?|writev|ftruncate|truncate|posix_fallocate|fallocate|mkstemp|mkdtemp|"#
        + #"mkdir|mkdirat|rmdir|unlink|unlinkat|rename|renameat2?|renamex_np|renameatx_np|link|linkat|symlink|"#
        + #"symlinkat|creat|fopen|fdopen|fwrite|fputs|fprintf|fsync|fdatasync|syncfs|copy_file_range|copyfile|"#
        + #"clonefile|sendfile|chmod|fchmod|chown|utimes|futimens|mknod|mkfifo|setxattr)\s*\("#,
      [
        "FileContainers/Bytes/SystemFiles.swift",
        "CPlatform/CPlatform.c",
      ]
    ),
    (
      #"\bwb_(reserve|share_range|rename_without_replacing|exchange)\b"#,
      [
        "FileContainers/Bytes/SystemFiles.swift", "CPlatform/CPlatform.c",
        "CPlatform/include/CPlatform.h",
      ]
    ),
    // The standard streams are opened where a process was started without, and children have /dev/null.
    (
      #"\bO_(WRONLY|RDWR|CREAT|TRUNC|APPEND)\b"#,
      [
        "FileContainers/Bytes/SystemFiles.swift", "CPlatform/CPlatform.c",
        "weighbridge/Console.swift",
      ]
    ),
    (
      #"(?<![.\w])write\s*\((STD|fd\b|\w*[dD]escriptor)|(Glibc|Musl|Darwin|Foundation)\.(write|rename|remove)\b"#,
      [
        "FileContainers/Bytes/SystemFiles.swift", "weighbridge/Console.swift",
        "weighbridge/Signals.swift",
      ]
    ),
    (
      #"\bFileManager\b|\bFileHandle\b|\bOutputStream\b|\bFileWrapper\b|\.write\(to: ?URL|\.write\(toFile|"#
        + #"atomically:|options: ?\.atomic"#, []
    ),
  ]

  @Test func onlyTheLayerWrites() throws {
    let sources = Fixtures.packageRoot.appending(path: "Sources").path
    var findings: [String] = []
    var unused = Self.writing.map(\.allowed)
    for name in try FileManager.default.subpathsOfDirectory(atPath: sources).sorted()
    where [".swift", ".c", ".h"].contains(where: name.hasSuffix) {
      let text = String(
        decoding: try Data(contentsOf: URL(filePath: "\(sources)/\(name)")), as: UTF8.self)
      for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false)
        .enumerated()
      {
        let code = line.trimmingCharacters(in: .whitespaces)
        if code.hasPrefix("//") || code.contains("func ") { continue }
        for (place, rule) in Self.writing.enumerated()
        where code.range(of: rule.pattern, options: .regularExpression) != nil {
          unused[place].remove(name)
          if !rule.allowed.contains(name) { findings.append("\(name):\(number + 1): \(code)") }
        }
      }
    }
    #expect(findings.isEmpty, "writes past FileOperations: \(findings.joined(separator: "\n"))")
    // What is allowed and not used would let something else through.
    #expect(unused.flatMap { $0 }.sorted() == [])
  }
}
