import CheckpointFormats
import FileContainers
import TensorModel

/// A list of files and their digests: a manifest of ours, or `SHA256SUMS`.
struct DigestList {
  /// The list's own file.
  let name: String
  /// What is listed of the checkpoint.
  private(set) var files: [(name: String, byteCount: Int?, digest: Digest)]
  /// Of the whole checkpoint; nil for `SHA256SUMS`, and for the manifest of another selection of files.
  let manifest: CheckpointManifest?
  /// Whether all files of the folder have to be in it.
  let isWhole: Bool
  /// What is wrong with the list, though it can be used.
  private(set) var findings: [Finding] = []

  fileprivate init(
    _ name: String, _ manifest: CheckpointManifest, isWhole: Bool, of files: Set<ExactName>?
  ) throws(CheckpointError) {
    try manifest.requireConsistent(name)
    self.name = name
    self.files = manifest.files.filter { files?.contains(ExactName($0.name)) ?? true }
      .map { ($0.name, $0.byteCount, $0.digest) }
    self.isWhole = isWhole
    let places = files ?? Set(manifest.tensors.map { ExactName($0.file) })
    let isOfAll = manifest.tensors.allSatisfy { places.contains(ExactName($0.file)) }
    self.manifest = isOfAll ? manifest : nil
    if !manifest.unknownKeys.isEmpty {
      let keys = manifest.unknownKeys.map { "'\($0)'" }.joined(separator: ", ")
      findings.append(
        Finding(
          .warning, "manifest-unusable",
          "it has keys that manifests of this version don't have, which say nothing here: \(keys)",
          file: name))
    }
  }

  fileprivate init(
    _ name: String, _ sums: SHA256Sums, of files: Set<ExactName>?
  ) throws(CheckpointError) {
    guard !sums.entries.isEmpty else {
      throw CheckpointError(
        .malformed, "the list of digests is empty", file: name, expected: "a line for each file",
        hint: "write it again: sha256sum, or weighbridge manifest --sha256sums")
    }
    self.name = name
    manifest = nil
    isWhole = false
    self.files = sums.entries.filter {
      $0.name != name && files?.contains(ExactName($0.name)) ?? true
    }
    .map { ($0.name, nil, $0.digest) }
    if files == nil, sums.entries.contains(where: { $0.name == name }) {
      findings.append(
        Finding(
          .warning, "manifest-unusable",
          "it lists itself, as no list can: that line says nothing; write it into another folder first, or with: weighbridge manifest --sha256sums",
          file: name))
    }
  }
}

/// The lists of digests that are there for a checkpoint.
///
/// In a folder they are of all its files; without one there, the manifest beside its only weight file counts. For a file its own manifest counts, or
/// what the lists in its folder say of it.
struct DigestLists {
  /// Those that can be compared with.
  private(set) var usable: [DigestList] = []
  /// What is wrong with the others.
  private(set) var unusable: [Finding] = []

  /// Looks for them.
  ///
  /// - Parameter source: the checkpoint.
  /// - Throws: `inputOutput`, `interrupted`.
  init(of source: Source) throws(CheckpointError) {
    let own = Set(source.checkpoint.files.map { ExactName($0.name) })
    guard FileKind(of: source.place) == .directory else {
      guard source.place != "-" else { return }
      let (folder, name) = Directories.split(source.place)
      // What lies in an archive isn't what lies beside it.
      let files = own.contains(ExactName(name)) ? own : [ExactName(name)]
      let ending = CheckpointManifest.ending
      try add(.error) { () throws(CheckpointError) in
        try Self.manifest("\(name)\(ending)", in: folder, isWhole: true, of: nil)
      }
      if usable.isEmpty, unusable.isEmpty {
        try add(.warning) { () throws(CheckpointError) in
          try Self.manifest(CheckpointManifest.fileName, in: folder, isWhole: false, of: files)
        }
      }
      try add(.warning) { () throws(CheckpointError) in try Self.sums(in: folder, of: files) }
      return
    }
    let folder = source.place
    try add(.error) { () throws(CheckpointError) in
      try Self.manifest(CheckpointManifest.fileName, in: folder, isWhole: true, of: nil)
    }
    if usable.isEmpty, unusable.isEmpty, source.checkpoint.files.count == 1 {
      let name = source.checkpoint.files[0].name + CheckpointManifest.ending
      try add(.error) { () throws(CheckpointError) in
        try Self.manifest(name, in: folder, isWhole: false, of: nil)
      }
    }
    try add(.error) { () throws(CheckpointError) in try Self.sums(in: folder, of: nil) }
  }

  // Beside a file a list that can't be used may be of other files.
  private mutating func add(
    _ severity: Finding.Severity, _ read: () throws(CheckpointError) -> DigestList?
  ) throws(CheckpointError) {
    do throws(CheckpointError) {
      if let list = try read(), !list.files.isEmpty { usable.append(list) }
    } catch {
      if error.code.isTransient { throw error }
      unusable.append(Finding("manifest-unusable", error).with(severity))
    }
  }

  private static func manifest(
    _ name: String, in folder: String, isWhole: Bool, of files: Set<ExactName>?
  ) throws(CheckpointError) -> DigestList? {
    let path = "\(folder)/\(name)"
    guard fileExists(path) else { return nil }
    do throws(CheckpointError) {
      return try DigestList(name, CheckpointManifest(path: path), isWhole: isWhole, of: files)
    } catch { throw error.in(file: name) }
  }

  private static func sums(
    in folder: String, of files: Set<ExactName>?
  ) throws(CheckpointError) -> DigestList? {
    let name = CheckpointManifest.sumsName
    let path = "\(folder)/\(name)"
    guard fileExists(path) else { return nil }
    let bytes = try InputFile.contents(
      of: path, limit: SHA256Sums.maximumByteCount, recordedIn: nil)
    return try DigestList(name, SHA256Sums(parsing: bytes, name), of: files)
  }
}
