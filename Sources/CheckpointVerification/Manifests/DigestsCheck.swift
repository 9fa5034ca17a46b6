import CheckpointFormats
import FileContainers
import ModelSigning
import TensorModel

/// A checkpoint's files against the list of digests that lies beside them: a manifest of ours, or `SHA256SUMS`.
struct DigestsCheck {
  private let source: Source
  private let progress: WorkProgress
  private let known: RecordedFileDigests

  /// A list that can be compared with.
  private struct List {
    let name: String
    let files: [(name: String, byteCount: Int?, digest: Digest)]
    /// Whether it has every file.
    let isWhole: Bool
  }

  /// - Parameters:
  ///   - source: whose files are compared.
  ///   - known: digests of files that needn't be read.
  ///   - progress: told of bytes as they are read.
  init(_ source: Source, _ known: RecordedFileDigests, _ progress: WorkProgress) {
    self.source = source
    self.progress = progress
    self.known = known
  }

  /// The files that are read for it.
  ///
  /// - Throws: `inputOutput`.
  func readFiles() throws(CheckpointError) -> [InputFile] {
    let lists = try ifUsable { () throws(CheckpointError) in
      try [manifest(), sums()].compactMap { $0 }
    }
    let listed = try ListedFiles(of: source.place)
    var files: [InputFile] = []
    for entry in lists?.flatMap(\.files) ?? [] {
      guard case .hash(let file) = try work(entry, listed) else { continue }
      files.append(file)
    }
    return files
  }

  /// Records the check.
  ///
  /// - Throws: what reading throws.
  func run(_ report: inout VerificationReport) throws(CheckpointError) {
    var lists: [List] = []
    do throws(CheckpointError) {
      lists = try [manifest(), sums()].compactMap { $0 }
    } catch {
      if error.code.isTransient { throw error }
      report.record(
        .digests, [Finding("manifest-unusable", error)], "the list of digests can't be used")
      return
    }
    guard !lists.isEmpty else {
      report.skip(
        .digests, .absent,
        "no \(CheckpointManifest.fileName) and no \(CheckpointManifest.sumsName) beside the files")
      return
    }
    var findings: [Finding] = []
    for list in lists {
      // What the manifest says already needn't be said again.
      let known = Set(findings.map { ExactName($0.file ?? "") })
      findings += try self.findings(list, isFirst: findings.isEmpty && list.name == lists[0].name)
        .filter { !known.contains(ExactName($0.file ?? "")) }
    }
    report.record(
      .digests, findings,
      lists.map { "\(counted($0.files.count, "file")) against \($0.name)" }
        .joined(separator: ", "))
  }

  private func manifest() throws(CheckpointError) -> List? {
    let path = CheckpointManifest.path(for: source.place)
    let name = Directories.split(path).name
    if fileExists(path) {
      let manifest: CheckpointManifest
      do throws(CheckpointError) { manifest = try CheckpointManifest(path: path) } catch {
        var placed = error
        placed.file = name
        throw placed
      }
      return List(
        name: name, files: manifest.files.map { ($0.name, $0.byteCount, $0.digest) }, isWhole: true)
    }
    return nil
  }

  private func sums() throws(CheckpointError) -> List? {
    let sums = "\(source.place)/\(CheckpointManifest.sumsName)"
    guard FileKind(of: source.place) == .directory, fileExists(sums) else { return nil }
    let bytes = try InputFile.contents(
      of: sums, limit: SHA256Sums.maximumByteCount, recordedIn: nil)
    let entries = try SHA256Sums(parsing: bytes, CheckpointManifest.sumsName).entries
    guard !entries.isEmpty else { return nil }
    return List(
      name: CheckpointManifest.sumsName, files: entries.map { ($0.name, nil, $0.digest) },
      isWhole: false)
  }

  private func findings(_ list: List, isFirst: Bool) throws(CheckpointError) -> [Finding] {
    let listed = try ListedFiles(of: source.place)
    progress.begin(
      "hashing files", list.files.reduce(0) { $0 + hashedByteCount($1, listed) })
    let outcomes = try FileDigests.map(list.files.count) { (byteCount) in
      progress.add(byteCount)
    } open: { (place) throws(CheckpointError) -> FileDigests.Work<Finding?> in
      try work(list.files[place], listed)
    } result: { place, _, digest in
      Self.finding(list.files[place], digest)
    }
    var findings = outcomes.compactMap { $0 }
    // A second list needn't have what the first one has.
    guard isFirst else { return findings }
    let known = Set(list.files.map { ExactName($0.name) })
    // Signatures are made after the manifest, and are checked on their own.
    for name in listed.names
    where !known.contains(ExactName(name)) && name != ModelSigner.signatureName {
      findings.append(
        Finding(
          list.isWhole ? .error : .warning, "file-extra", "not in \(list.name)", file: name))
    }
    for obstacle in listed.obstacles {
      findings.append(
        Finding(
          .error, "file-extra", "\(obstacle.kind), which no list can have", file: obstacle.name))
    }
    return findings
  }

  /// Bytes of a file that are read: none where the size says enough.
  private func hashedByteCount(
    _ entry: (name: String, byteCount: Int?, digest: Digest), _ listed: ListedFiles
  ) -> Int {
    let path = listed.path(entry.name)
    guard FileKind(of: path) == .file, let file = try? InputFile(path: path), known[file] == nil
    else { return 0 }
    let size = file.byteCount
    return size == entry.byteCount ?? size ? size : 0
  }

  /// What is there of a file, as far as that can be said without reading it.
  private func work(
    _ entry: (name: String, byteCount: Int?, digest: Digest), _ listed: ListedFiles
  ) throws(CheckpointError) -> FileDigests.Work<Finding?> {
    let path = listed.path(entry.name)
    guard FileKind(of: path) == .file else {
      return .known(
        Finding(
          .error, "file-missing",
          "listed, and not there, found \(PathObstacle.text(path) ?? "nothing")", file: entry.name))
    }
    let file: InputFile
    do throws(CheckpointError) { file = try InputFile(path: path) } catch {
      if error.code.isTransient { throw error }
      return .known(Finding("file-missing", error.in(file: entry.name)))
    }
    guard let byteCount = entry.byteCount, byteCount != file.byteCount else {
      return known[file].map { .known(Self.finding(entry, $0)) } ?? .hash(file)
    }
    return .known(
      Finding(
        .error, "digest-mismatch",
        "of another size, expected \(byteCount) bytes, found \(file.byteCount)", file: entry.name))
  }

  private static func finding(
    _ entry: (name: String, byteCount: Int?, digest: Digest), _ digest: Digest
  ) -> Finding? {
    guard digest != entry.digest else { return nil }
    return Finding(
      .error, "digest-mismatch", "was changed, expected \(entry.digest), found \(digest)",
      file: entry.name)
  }
}
