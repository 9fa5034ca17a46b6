import FileContainers
import TensorModel

/// The files of a model against those that were signed, both ways.
struct FileComparison {
  private(set) var findings: [Finding] = []
  /// A text that says what was compared.
  private(set) var detail = ""
  private let signed: SignedFiles
  private let ignoredByUser: [String]
  private let ignoresUnsignedFiles: Bool
  private let known: RecordedFileDigests
  /// What the user leaves out and isn't there.
  private var absentPaths: Set<ExactName> = []

  /// Compares.
  ///
  /// - Parameters:
  ///   - model: the folder or file.
  ///   - signature: the signature file, which isn't a part of the model.
  ///   - signed: what was signed.
  ///   - ignoredPaths: what the user leaves out.
  ///   - ignoresUnsignedFiles: files that weren't signed are fine.
  ///   - known: digests of files that needn't be read.
  ///   - expecting: told, before, how many bytes are read.
  ///   - progress: told of bytes as they are read.
  /// - Throws: `missing`, `inputOutput`, and what `progress` throws.
  init(
    _ model: String, signature: String, _ signed: SignedFiles, ignoring ignoredPaths: [String],
    ignoresUnsignedFiles: Bool, _ known: RecordedFileDigests, _ expecting: (Int) -> Void,
    _ progress: @Sendable (Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    self.signed = signed
    self.ignoresUnsignedFiles = ignoresUnsignedFiles
    self.known = known
    ignoredByUser = ignoredPaths
    guard FileKind(of: model) == .directory else {
      try compareFile(model, expecting, progress)
      return
    }
    let folder = try ModelFolder(model)
    let own = folder.relativePath(signature).map { ExactName($0) }
    let present = Set(folder.files.map { ExactName($0) })
    try compare(folder, present, expecting, progress)
    let names = Set(signed.files.map { ExactName($0.name) })
    absentPaths = Set(
      ignoredPaths.filter { path in
        !(folder.files + folder.obstacles.map(\.name) + signed.files.map(\.name))
          .contains { RelativePath.isInside($0, path) }
          && FileKind(of: "\(model)/\(path)") == nil
      }.map { ExactName($0) })
    let others = folder.files.filter { ExactName($0) != own && !names.contains(ExactName($0)) }
    // Those in the place of a signed file have been named.
    let obstacles = folder.obstacles.filter {
      !names.contains(ExactName($0.name)) || present.contains(ExactName($0.name))
    }
    findUnsigned(others, obstacles)
    noteIgnored(signed.ignoredPaths.filter { ExactName($0) != own }, others, obstacles)
  }

  /// A model that is one file, as old releases signed it.
  private mutating func compareFile(
    _ path: String, _ expecting: (Int) -> Void, _ progress: (Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let name = Directories.split(path).name
    guard signed.files.count == 1, let file = signed.files.first,
      [SignedFiles.wholeName, name].map({ ExactName($0) }).contains(ExactName(file.name))
    else {
      let message =
        signed.files.count == 1
        ? "the signature is of '\(signed.files[0].name)', not of this file: give it that name again"
        : "the signature is of \(counted(signed.files.count, "file")), not of this one alone"
      add(.fileMissing, message, name)
      detail = "nothing compared"
      return
    }
    expecting(try InputFile(path: path).byteCount)
    if FileKind(ofEntry: path) == .other { refuseLink(name, in: Directories.split(path).parent) }
    compare(file, try ModelFolder.digest(path, progress), name)
    detail = "1 file compared"
  }

  private mutating func compare(_ file: SignedFiles.File, _ digest: Digest, _ name: String) {
    guard digest != file.digest else { return }
    add(
      .fileChanged,
      "has changed since it was signed, expected \(file.digest), found \(digest)", name)
  }

  /// What a link leads to can be exchanged without a change in the folder; model_signing refuses links, too.
  private mutating func refuseLink(_ name: String, in folder: String) {
    guard !DirectoryTree(path: folder).leadsToBlob(name) else { return }
    let target = PathObstacle.target(of: "\(folder)/\(name)")
    add(.fileLink, "was signed as a file and is a link, to '\(target)'", name)
  }

  private mutating func compare(
    _ folder: ModelFolder, _ present: Set<ExactName>, _ expecting: (Int) -> Void,
    _ progress: @Sendable (Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let expected = signed.files.filter { !Self.isIgnored($0.name, by: ignoredByUser) }
    for file in expected where !present.contains(ExactName(file.name)) {
      let obstacle = folder.obstacles.first { ExactName($0.name) == ExactName(file.name) }
      add(
        .fileMissing, "was signed and isn't there" + (obstacle.map { ", found \($0.kind)" } ?? ""),
        file.name)
    }
    let files = expected.filter { present.contains(ExactName($0.name)) }
    var byteCount = 0
    for file in files {
      let input = try InputFile(path: "\(folder.path)/\(file.name)")
      byteCount += known[input] == nil ? input.byteCount : 0
    }
    expecting(byteCount)
    let digests = try folder.digests(of: files.map(\.name), known, progress)
    for file in files where folder.links.contains(ExactName(file.name)) {
      refuseLink(file.name, in: folder.path)
    }
    let before = findings.count
    for (file, digest) in zip(files, digests) { compare(file, digest, file.name) }
    let same = files.count - (findings.count - before)
    detail = "\(grouped(same)) of \(counted(signed.files.count, "file")) as signed"
  }

  /// Files that nobody signed, and that nobody left out.
  private mutating func findUnsigned(_ others: [String], _ obstacles: [ModelFolder.Obstacle]) {
    let ignored = ModelPredicate.standardIgnoredPaths + signed.ignoredPaths + ignoredByUser
    let unsigned = others.filter {
      !signed.exempt.contains(ExactName($0)) && !Self.isIgnored($0, by: ignored)
    }
    let unknown = obstacles.filter { !Self.isIgnored($0.name, by: ignored) }
    guard !ignoresUnsignedFiles else {
      let count = unsigned.count + unknown.count
      if count > 0 { detail += "; \(counted(count, "unsigned file")) not looked at" }
      return
    }
    for name in unsigned { add(.fileUnsigned, "isn't signed", name) }
    for obstacle in unknown { add(.fileUnsigned, "isn't signed: \(obstacle.kind)", obstacle.name) }
  }

  /// What was left out: weights are refused where the signer did it, the rest is said.
  private mutating func noteIgnored(
    _ ignoredBySigner: [String], _ others: [String], _ obstacles: [ModelFolder.Obstacle]
  ) {
    let standard = ModelPredicate.standardIgnoredPaths
    for path in Set(ignoredBySigner.map { ExactName($0) }).union(standard.map { ExactName($0) })
      .sorted().map(\.text) where !Self.isIgnored(path, by: ignoredByUser)
    {
      let inside = others.filter {
        RelativePath.isInside($0, path) && !Self.isIgnored($0, by: ignoredByUser)
      }
      let closed = obstacles.filter {
        RelativePath.isInside($0.name, path) && !Self.isIgnored($0.name, by: ignoredByUser)
      }
      let weights = inside.filter(ModelFolder.isWeight)
      for weight in weights {
        add(.ignoredWeight, "holds weights, and the signer left out '\(path)'", weight)
      }
      for obstacle in closed {
        add(
          .ignoredWeight,
          "can hold weights, being \(obstacle.kind), and the signer left out '\(path)'",
          obstacle.name)
      }
      guard !standard.contains(path) else {
        if !inside.isEmpty { detail += "; \(path) isn't signed" }
        continue
      }
      if weights.isEmpty && closed.isEmpty { note(path, inside.count, "the signer") }
    }
    for path in ignoredByUser {
      guard !absentPaths.contains(ExactName(path)) else {
        add(
          .ignoredPath,
          "--ignore-path names what isn't in the checkpoint: paths are relative to its folder", path
        )
        continue
      }
      let count = self.signed.files.count { RelativePath.isInside($0.name, path) }
      note(
        path, others.count { RelativePath.isInside($0, path) }, "--ignore-path",
        count == 0 ? "" : "\(counted(count, "signed file")) not compared; ")
    }
  }

  private mutating func note(
    _ path: String, _ count: Int, _ by: String, _ unchecked: String = ""
  ) {
    let contents =
      count == 0 ? "nothing unsigned lies there" : "\(counted(count, "unsigned file")) there"
    add(.ignoredPath, "left out by \(by): \(unchecked)\(contents)", path)
  }

  private mutating func add(_ kind: SignatureFinding, _ message: String, _ file: String) {
    findings.append(kind.finding(message, file: file))
  }

  private static func isIgnored(_ name: String, by paths: [String]) -> Bool {
    paths.contains { RelativePath.isInside(name, $0) }
  }
}
