import CheckpointFormats
import FileContainers
import TensorModel

/// What is left to do for a merge whose result has its place: it may have been interrupted then.
extension PartsMerge {
  /// The outcome of a merge that was interrupted when its result had its place already; nil if it hasn't.
  func published(_ folder: PartsFolder) throws(CheckpointError) -> Outcome? {
    let mark = "\(folder.path)/\(Self.publicationName)"
    guard fileExists(mark) else { return nil }
    let words = try InputFile.contents(of: mark, limit: 4096, recordedIn: nil)
      .split(separator: UInt8(ascii: " "), maxSplits: 1)
    guard words.count == 2 else { return nil }
    let (digest, name) = (
      Digest(String(decoding: words[0], as: UTF8.self)), String(decoding: words[1], as: UTF8.self)
    )
    let isInside =
      Directories.resolved(Directories.split(folder.partialPath).parent)
      == Directories.resolved(destination)
    let isAtOnce = kind == .directory && !isInside
    let parent = kind == .file ? Directories.split(destination).parent : destination
    let path = "\(parent)/\(name)"
    guard isAtOnce || !fileExists("\(folder.path)/\(Self.resultName)"),
      FileKind(ofEntry: path) == .file
    else { return nil }
    let bytes = try InputFile.contents(
      of: path, limit: Certificate.maximumByteCount, recordedIn: nil)
    guard Digest(of: bytes) == digest else { return nil }
    let certificate = try Certificate(at: path, file: path)
    let description = try folder.description()
    let plan = try description.map { (description) throws(CheckpointError) in
      try CollectedParts.plan(folder, description)
    }
    return Outcome(
      certificate: certificate, partCount: description?.partCount,
      quantization: try plan?.outline(folder.path), invocation: plan?.frame.invocation,
      leftover: nil)
  }

  /// The outcome of a merge that was interrupted when nothing but empty folders was left of the parts, which are removed; nil if there are others.
  func cleared(_ partialPath: String) throws(CheckpointError) -> Outcome? {
    guard FileKind(ofEntry: partialPath) == .directory,
      try Directories.names(in: partialPath).allSatisfy(PartsFolder.isMergingName),
      try Directories.files(in: partialPath).isEmpty,
      let certificate = try ifUsable(whole) ?? nil
    else { return nil }
    try Directories.removeTree(partialPath)
    try Directories.synchronise(Directories.split(partialPath).parent)
    return Outcome(
      certificate: certificate, partCount: nil, quantization: nil, invocation: nil, leftover: nil)
  }

  /// The outcome of a merge that is repeated after it has ended: nothing of the parts is left, and the result has its place.
  ///
  /// - Throws: `missing` where there is none, `corrupt` where it isn't whole.
  func repeated() throws(CheckpointError) -> Outcome {
    guard let certificate = try whole() else { throw nothingThere }
    var outcome = Outcome(
      certificate: certificate, partCount: nil, quantization: nil, invocation: nil, leftover: nil)
    outcome.wasWhole = true
    return outcome
  }

  /// The certificate of a result that has its place; nil if there is none.
  ///
  /// - Throws: `corrupt` where a file that it names isn't there, or has another size; what reading throws.
  func whole() throws(CheckpointError) -> Certificate? {
    let (parent, name) = Directories.split(destination)
    let folder = kind == .file ? parent : destination
    let names = kind == .file ? Certificate.fileNames(beside: name) : [Certificate.fileName]
    let places = names.map { "\(folder)/\($0)" }
    guard let path = places.first(where: { FileKind(of: $0) == .file }) else { return nil }
    let certificate = try Certificate(at: path, file: path)
    let files =
      certificate.files.map { ($0.name, $0.byteCount) }
      + certificate.assets.map { ($0.name, $0.byteCount) }
    for (name, byteCount) in files {
      let file = "\(folder)/\(name)"
      let found = FileKind(of: file) == .file ? try InputFile(path: file).byteCount : nil
      guard found == byteCount else {
        throw CheckpointError(
          .corrupt, "there are no parts of it, and it isn't what its certificate says",
          file: file, expected: "\(byteCount) bytes", found: found.map { "\($0)" } ?? "nothing",
          hint: "remove it, and do all parts again")
      }
    }
    return certificate
  }

  /// The error for a destination that nothing is known of.
  var nothingThere: CheckpointError {
    CheckpointError(
      .missing, "there are no parts of this destination", file: destination,
      hint:
        "do them first, each with the same command: weighbridge convert … --part 1/N to N/N; weighbridge status says which are there; where a file system still hides them from this machine, --wait 90s looks again"
    )
  }

  /// Removes all that is left of the parts.
  ///
  /// - Returns: what couldn't be removed.
  func remove(_ folder: PartsFolder) -> String? {
    // Another merge may have taken it, and removes it.
    guard FileKind(ofEntry: folder.path) == .directory else { return nil }
    do throws(CheckpointError) {
      let names = try Directories.names(in: folder.partialPath)
      let own = Directories.split(folder.path).name
      for name in names where name != own {
        try Directories.removeTree("\(folder.partialPath)/\(name)")
      }
      // The mark goes last: without it, what is left wouldn't be known for what it is. What all parts have in common goes as a whole: parts.json
      // says what plan.json is.
      let last = [
        PartsDescription.fileName, PartsDescription.planName, Self.publicationName,
      ]
      for name in try Directories.names(in: folder.path) where !last.contains(name) {
        try Directories.removeTree("\(folder.path)/\(name)")
      }
      for name in last.dropLast() {
        try Directories.removeTree("\(folder.path)/\(name)")
        try Directories.synchronise(folder.path)
      }
      try Directories.synchronise(folder.path)
      try Directories.synchronise(folder.partialPath)
      try Directories.removeTree(folder.partialPath)
      try Directories.synchronise(Directories.split(folder.partialPath).parent)
      return nil
    } catch { return FileKind(ofEntry: folder.partialPath).map { _ in folder.partialPath } }
  }
}
