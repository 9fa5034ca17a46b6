import CheckpointFormats
import FileContainers
import ModelSigning
import TensorModel

/// A checkpoint's files against the list of digests that lies beside them: a manifest of ours, or `SHA256SUMS`.
struct DigestsCheck {
  private let source: Source
  private let progress: WorkProgress
  private let known: RecordedFileDigests

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
    let listed = try ListedFiles(of: source.place)
    var files: [InputFile] = []
    for list in try DigestLists(of: source).usable {
      for entry in list.files {
        guard case .hash(let file) = try work(entry, list, listed) else { continue }
        files.append(file)
      }
    }
    return files
  }

  /// Records the check.
  ///
  /// - Parameters:
  ///   - report: of the verification.
  ///   - contents: what the tensors are; nil where they weren't read.
  /// - Throws: what reading throws.
  func run(
    _ report: inout VerificationReport, _ contents: [TensorIdentity]?
  ) throws(CheckpointError) {
    let found = try DigestLists(of: source)
    let (lists, unusable) = (found.usable, found.unusable)
    guard !lists.isEmpty || !unusable.isEmpty else {
      report.skip(
        .digests, .absent,
        "no \(CheckpointManifest.fileName) and no \(CheckpointManifest.sumsName) beside the files")
      return
    }
    guard !lists.isEmpty else {
      report.record(.digests, unusable, "the list of digests can't be used")
      return
    }
    var findings: [Finding] = []
    for list in lists {
      // What the manifest says already needn't be said again.
      let known = Set(findings.map { ExactName($0.file ?? "") })
      findings += try self.findings(list, isFirst: findings.isEmpty && list.name == lists[0].name)
        .filter { !known.contains(ExactName($0.file ?? "")) }
    }
    // Files that are as they were have the tensors that they had.
    if findings.isEmpty, let contents {
      for list in lists { findings += contradiction(list, contents).map { [$0] } ?? [] }
    }
    findings += lists.flatMap(\.findings)
    let (detail, isCovering) = coverage(lists)
    report.record(.digests, unusable + findings, detail, isCovering ? nil : .absent)
  }

  /// What a manifest says otherwise of tensors than the files that it describes rightly.
  private func contradiction(_ list: DigestList, _ contents: [TensorIdentity]) -> Finding? {
    guard let manifest = list.manifest else { return nil }
    let problem: String?
    let root = rootDigest(of: contents)
    let tensors = source.checkpoint.tensors
    let files = Dictionary(
      tensors.map { (ExactName($0.name), $0.file) }, uniquingKeysWith: { first, _ in first })
    if root != manifest.root {
      problem = "its tensors others, expected root \(manifest.root), found \(root)"
    } else if list.isWhole, manifest.format != source.checkpoint.format {
      problem =
        "its format another, expected \(manifest.format), found \(source.checkpoint.format)"
    } else {
      problem =
        manifest.tensors.lazy.compactMap { tensor in
          files[ExactName(tensor.name)].flatMap {
            ExactName($0) == ExactName(tensor.file)
              ? nil : "the tensor '\(tensor.name)' in '\($0)', expected '\(tensor.file)'"
          }
        }.first
    }
    return problem.map {
      Finding(
        .error, "manifest-unusable",
        "the manifest contradicts itself: its files are as it says, and \($0)", file: list.name)
    }
  }

  /// What was compared, and whether all weights were.
  private func coverage(_ lists: [DigestList]) -> (detail: String, isWhole: Bool) {
    let known = Set(lists.flatMap(\.files).map { ExactName($0.name) })
    var files = source.checkpoint.files.map(\.name)
    let name = Directories.split(source.place).name
    // What lies in an archive is covered by the archive's digest.
    if FileKind(of: source.place) != .directory, !files.contains(name) { files = [name] }
    let others = files.filter { !known.contains(ExactName($0)) }
    let detail = lists.map { "\(counted($0.files.count, "file")) against \($0.name)" }
      .joined(separator: ", ")
    guard let first = others.first else { return (detail, true) }
    return (
      "\(detail); of \(counted(others.count, "weight file")) there is no digest, such as \(first)",
      false
    )
  }

  private func findings(_ list: DigestList, isFirst: Bool) throws(CheckpointError) -> [Finding] {
    let listed = try ListedFiles(of: source.place)
    progress.begin(
      "hashing files", list.files.reduce(0) { $0 + hashedByteCount($1, listed) })
    let outcomes = try FileDigests.map(list.files.count) { (byteCount) in
      progress.add(byteCount)
    } open: { (place) throws(CheckpointError) -> FileDigests.Work<Finding?> in
      try work(list.files[place], list, listed)
    } result: { place, _, digest in
      Self.finding(list.files[place], digest, list)
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
    _ entry: (name: String, byteCount: Int?, digest: Digest), _ list: DigestList,
    _ listed: ListedFiles
  ) throws(CheckpointError) -> FileDigests.Work<Finding?> {
    let path = listed.path(entry.name)
    guard FileKind(of: path) == .file else {
      return .known(
        Finding(
          .error, "file-missing",
          "listed in \(list.name), and not there, found \(PathObstacle.text(path) ?? "nothing")",
          file: entry.name))
    }
    let file: InputFile
    do throws(CheckpointError) { file = try InputFile(path: path) } catch {
      if error.code.isTransient { throw error }
      return .known(Finding("file-missing", error.in(file: entry.name)))
    }
    guard let byteCount = entry.byteCount, byteCount != file.byteCount else {
      return known[file].map { .known(Self.finding(entry, $0, list)) } ?? .hash(file)
    }
    return .known(
      Finding(
        .error, "digest-mismatch",
        "of another size than \(list.name) says, expected \(byteCount) bytes, found \(file.byteCount)",
        file: entry.name))
  }

  private static func finding(
    _ entry: (name: String, byteCount: Int?, digest: Digest), _ digest: Digest,
    _ list: DigestList
  ) -> Finding? {
    guard digest != entry.digest else { return nil }
    return Finding(
      .error, "digest-mismatch",
      "isn't what \(list.name) lists, expected \(entry.digest), found \(digest)",
      file: entry.name)
  }
}
