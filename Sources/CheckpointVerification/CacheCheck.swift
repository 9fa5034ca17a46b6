import CheckpointFormats
import FileContainers
import TensorModel

// What Hugging Face's client leaves of the digests that the server named (huggingface_hub, file_download.py and _local_folder.py):
//
//   models--ORG--NAME/snapshots/COMMIT/PATH           a link to blobs/ETAG
//   FOLDER/.cache/huggingface/download/PATH.metadata  three lines: commit, etag, time
//
// An etag of 64 hexadecimal digits is the SHA-256 of the file, one of 40 its name as an object of git. Mirrors have others, which say nothing.

/// Downloaded files against the digests that the server had of them; no network is needed.
struct CacheCheck {
  private let source: Source
  private let path: String
  private let known: RecordedFileDigests

  /// A file and what it should be.
  private struct Entry {
    let name: String
    let path: String
    let tag: String

    /// Whether the tag is one of a file's digests.
    var isDigest: Bool {
      [40, 64].contains(tag.utf8.count)
        && tag.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
  }

  /// Metadata are three short lines.
  private static let mostMetadataBytes = 4096
  private static let downloads = ".cache/huggingface/download"

  /// - Parameters:
  ///   - source: what was opened.
  ///   - path: as it was given.
  ///   - known: digests of files that needn't be read.
  init(_ source: Source, _ path: String, _ known: RecordedFileDigests) {
    self.source = source
    self.path = path
    self.known = known
  }

  /// The files that are read for it, but for those that git names.
  ///
  /// - Throws: `inputOutput`.
  func readFiles() throws(CheckpointError) -> [InputFile] {
    var files: [InputFile] = []
    for entry in try linked() + recorded() where entry.isDigest && entry.tag.utf8.count == 64 {
      files.append(try InputFile(path: entry.path))
    }
    return files
  }

  /// Records the check.
  ///
  /// - Throws: what reading throws.
  func run(_ report: inout VerificationReport) throws(CheckpointError) {
    let entries = try linked() + recorded()
    guard !entries.isEmpty else {
      report.skip(.cache, .absent, "no links to a cache's blobs, and no metadata of downloads")
      return
    }
    let checked = entries.filter(\.isDigest)
    let others = entries.count - checked.count
    let findings = try ParallelPieces.map(checked.count) { (place) throws(CheckpointError) in
      try finding(checked[place])
    }
    // A file that took a download's place has no digest of its own.
    let known = Set(entries.map { ExactName($0.name) })
    let unknown = readNames.filter { !known.contains(ExactName($0)) }
    let example = unknown.first.map {
      "; no digest is known of \(counted(unknown.count, "file")), such as \($0)"
    }
    let strangers = unknown.map {
      Finding(
        .warning, "cache-unlinked",
        "a file among downloaded ones that isn't one of them: nothing says what it should be",
        file: $0)
    }
    report.record(
      .cache, findings.compactMap { $0 } + strangers,
      (checked.isEmpty
        ? "the names of \(counted(others, "blob")) aren't digests: another server's"
        : "\(counted(checked.count, "file")) against the digests that they were downloaded by"
          + (others == 0 ? "" : "; the names of \(others) more aren't digests")) + (example ?? ""),
      others == 0 && unknown.isEmpty ? nil : .unsupported)
  }

  /// What is read of the checkpoint: weights, the configuration, and the files beside them.
  private var readNames: [String] {
    let weights = source.checkpoint.files.map(\.name)
    guard FileKind(of: source.place) == .directory else { return weights }
    let others = ["config.json"] + source.checkpoint.assets.map(\.name)
    return weights + others.filter { FileKind(of: "\(source.place)/\($0)") == .file }
  }

  private func finding(_ entry: Entry) throws(CheckpointError) -> Finding? {
    let file = try InputFile(path: entry.path)
    let found =
      entry.tag.utf8.count == 40
      ? try GitDigest(ofFile: file).hexadecimal : try known.digest(of: file).hexadecimal
    guard found != entry.tag else { return nil }
    return Finding(
      .error, "cache-digest",
      "isn't what was downloaded, expected \(entry.tag.utf8.count == 40 ? "git object" : "SHA-256") \(entry.tag), found \(found)",
      file: entry.name)
  }

  /// Files of a snapshot that are links to blobs.
  private func linked() throws(CheckpointError) -> [Entry] {
    let isFolder = FileKind(of: source.place) == .directory
    let folder = isFolder ? source.place : Directories.split(source.place).parent
    var entries: [Entry] = []
    for file in isFolder ? try Directories.files(in: source.place) : [source.place] {
      let target = Directories.resolved(file)
      let (parent, tag) = Directories.split(target)
      guard target != file, FileKind(of: target) == .file,
        Directories.split(parent).name == "blobs",
        Directories.split(file).name != tag
      else { continue }
      entries.append(Entry(name: Self.name(of: file, in: folder), path: target, tag: tag))
    }
    return entries
  }

  /// Files of a folder beside which the client keeps what it knows of them.
  private func recorded() throws(CheckpointError) -> [Entry] {
    let isFolder = FileKind(of: source.place) == .directory
    let folder = isFolder ? source.place : Directories.split(source.place).parent
    let records = "\(folder)/\(Self.downloads)"
    guard FileKind(ofEntry: records) == .directory else { return [] }
    var entries: [Entry] = []
    for record in try Directories.files(in: records) where record.hasSuffix(".metadata") {
      let name =
        "\(Substring(Self.name(of: record, in: records).utf8.dropLast(".metadata".utf8.count)))"
      let file = "\(folder)/\(name)"
      guard FileKind(of: file) == .file, isFolder || file == source.place,
        let bytes = try ifUsable({ () throws(CheckpointError) in
          try InputFile.contents(of: record, limit: Self.mostMetadataBytes, recordedIn: nil)
        })
      else { continue }
      let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
      guard lines.count == 3 else { continue }
      entries.append(Entry(name: name, path: file, tag: String(lines[1])))
    }
    return entries
  }

  private static func name(of file: String, in folder: String) -> String {
    let prefix = "\(folder)/".utf8
    guard file.utf8.starts(with: prefix) else { return file }
    return "\(Substring(file.utf8.dropFirst(prefix.count)))"
  }
}
