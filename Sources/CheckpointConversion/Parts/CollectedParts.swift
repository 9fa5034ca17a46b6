import FileContainers
import TensorModel

/// All parts of a conversion, as they lie in their folder.
struct CollectedParts {
  let folder: PartsFolder
  let description: PartsDescription
  let plan: RecordedPlan
  /// What the parts say, in order.
  let records: [PartRecord]

  /// Reads what the parts say.
  ///
  /// - Parameter folder: of the parts, all of which are there.
  /// - Throws: `conflict` if they aren't of one plan, `corrupt`, `malformed`, `inputOutput`.
  init(_ folder: PartsFolder) throws(CheckpointError) {
    self.folder = folder
    guard let description = try folder.description() else { throw Self.undescribed(folder) }
    self.description = description
    plan = try Self.plan(folder, description)
    let count = description.partCount
    records = try ParallelPieces.map(count) { (place) throws(CheckpointError) in
      guard let part = PartNumber(place + 1, of: count) else {
        throw CheckpointError(.malformed, "there is no such part", file: folder.path)
      }
      guard let record = try folder.record(of: part) else {
        throw CheckpointError(
          .missing, "isn't complete", file: folder.path(of: part), hint: "do this part again")
      }
      guard record.head.plan == description.plan else {
        throw CheckpointError(
          .conflict, "is a part of another conversion", file: folder.path(of: part),
          expected: "part \(part) of plan \(description.plan)",
          found: "part \(record.head.part)/\(record.head.partCount) of plan \(record.head.plan)",
          hint: "remove it, and do this part again")
      }
      return record
    }
  }

  /// The error for a folder that nobody has described.
  static func undescribed(_ folder: PartsFolder) -> CheckpointError {
    CheckpointError(
      .missing, "nothing says what these are parts of", file: folder.path,
      expected: PartsDescription.fileName, hint: "do any part again: it says so")
  }

  /// The error for parts beside which there is no plan; nil if there is one.
  static func lackOfPlan(_ folder: PartsFolder) -> CheckpointError? {
    let path = "\(folder.path)/\(PartsDescription.planName)"
    guard FileKind(ofEntry: path) != .file else { return nil }
    return CheckpointError(
      .missing, "what the parts were made of is gone", file: path,
      hint:
        "remove \(PartsDescription.fileName) beside it, and do any part again, which writes both and nothing else: \(shellCommand("rm", "\(folder.path)/\(PartsDescription.fileName)"))"
    )
  }

  /// The plan that all parts are of.
  ///
  /// - Throws: `corrupt`, `malformed`, `inputOutput`.
  static func plan(
    _ folder: PartsFolder, _ description: PartsDescription
  ) throws(CheckpointError) -> RecordedPlan {
    let path = "\(folder.path)/\(PartsDescription.planName)"
    if let error = lackOfPlan(folder) { throw error }
    let text = try InputFile.contents(
      of: path, limit: PartsDescription.maximumPlanByteCount, recordedIn: nil)
    guard description.planFile?.digest == Digest(of: text) else {
      throw CheckpointError(
        .corrupt, "isn't what the parts were made of", file: path,
        expected: description.planFile.map { "\($0.digest)" }, found: "\(Digest(of: text))",
        hint:
          "remove both, and do any part again, which writes them and nothing else: \(shellCommand("rm", path, "\(folder.path)/\(PartsDescription.fileName)"))"
      )
    }
    return try RecordedPlan(parsing: text, path)
  }

  /// Where a part's file lies, before it is merged.
  func path(_ file: PartRecord.File, of record: PartRecord) -> String {
    "\(filesPath(of: record))/\(file.name)"
  }

  /// The folder of a part's files.
  func filesPath(of record: PartRecord) -> String {
    let part = PartNumber(record.head.part, of: record.head.partCount)
    return "\(folder.path)/\(part?.folderName ?? "")/\(PartRecord.folderName)"
  }

  /// The pieces of each planned file, in the order of the parts.
  func pieces() throws(CheckpointError) -> [[(record: PartRecord, file: PartRecord.File)]] {
    var pieces = [[(record: PartRecord, file: PartRecord.File)]](
      repeating: [], count: plan.frame.files.count)
    for record in records {
      for file in record.head.files {
        guard pieces.indices.contains(file.file) else { throw unusable(record, file) }
        pieces[file.file].append((record, file))
      }
    }
    return pieces
  }

  private func unusable(_ record: PartRecord, _ file: PartRecord.File) -> CheckpointError {
    CheckpointError(
      .malformed, "a part says something else of a file than the plan",
      file: path(file, of: record), hint: "remove this part, and do it again")
  }

  // MARK: Checks

  /// Makes sure that every file and every piece is there, of its size, that they cover all bytes of the files once, and that what stands around the
  /// tensors is right.
  ///
  /// - Throws: `corrupt` with the name of the first that isn't; `malformed`, `inputOutput`.
  func requireSound() throws(CheckpointError) {
    for record in records {
      for file in record.head.files { try require(file, of: record) }
      try requireOwn(record)
    }
    if let first = records.first {
      for asset in plan.frame.certificate.assets {
        let path = "\(filesPath(of: first))/\(asset.name)"
        try requireSize(path, asset.byteCount)
        guard try Digest(ofFile: InputFile(path: path)) == asset.digest else {
          throw Self.changed(path, expected: "\(asset.digest)", found: "other bytes")
        }
      }
    }
    for (planned, pieces) in zip(plan.frame.files, try pieces()) {
      let image = try FileImage(
        planned, pieces.map { (path($0.file, of: $0.record), $0.file.ranges) })
      try image.requireFrame(of: planned)
    }
    let claimed = records.reduce(0) { $0 + $1.claims.count }
    guard claimed == plan.groups.count else {
      throw CheckpointError(
        .malformed, "the parts don't say of every tensor what came of it", file: folder.path,
        expected: "\(plan.groups.count)", found: "\(claimed)",
        hint: "remove the parts, and do them again with one version of weighbridge")
    }
  }

  private func require(
    _ file: PartRecord.File, of record: PartRecord
  ) throws(CheckpointError) {
    let isFilled = (file.ranges ?? []).allSatisfy { $0.count == 2 && 0 <= $0[0] && $0[0] < $0[1] }
    guard plan.frame.files.indices.contains(file.file), isFilled else {
      throw unusable(record, file)
    }
    let planned = plan.frame.files[file.file].byteCount
    let expected = file.ranges?.reduce(0) { $0 + $1[1] - $1[0] } ?? planned ?? file.byteCount
    guard expected == file.byteCount else { throw unusable(record, file) }
    try requireSize(path(file, of: record), expected)
  }

  /// Makes sure that nobody else's files lie in a part's folder, which is removed with all that is in it.
  private func requireOwn(_ record: PartRecord) throws(CheckpointError) {
    let files = filesPath(of: record)
    let folder = Directories.split(files).parent
    let written = Set(
      (record.head.files.map(\.name) + record.head.sidecars + plan.frame.companions).map {
        $0.prefix { $0 != "/" }
      })
    var strangers = try Directories.names(in: folder).filter { !PartRecord.isEntry($0) }
    strangers += try Directories.names(in: files).filter { !written.contains($0[...]) }
      .map { "\(PartRecord.folderName)/\($0)" }
    guard let first = strangers.first else { return }
    throw CheckpointError(
      .conflict, "a part's folder has files that this tool didn't write", file: folder,
      found: strangers.count > 1 ? "\(first) and \(strangers.count - 1) more" : first,
      hint: "move them away: merging removes the folder")
  }

  private func requireSize(_ path: String, _ expected: Int) throws(CheckpointError) {
    guard FileKind(ofEntry: path) == .file else {
      throw Self.changed(path, expected: "\(expected) bytes", found: "nothing")
    }
    let found = try InputFile(path: path).byteCount
    guard found == expected else {
      throw Self.changed(path, expected: "\(expected) bytes", found: "\(found)")
    }
  }

  static func changed(_ path: String, expected: String, found: String) -> CheckpointError {
    let folder = Directories.split(path).parent
    let part =
      Directories.split(folder).name == PartRecord.folderName
      ? Directories.split(folder).parent : folder
    return CheckpointError(
      .corrupt, "a part's file isn't what the part has written", file: path, expected: expected,
      found: found,
      hint: "remove the part, and do it again: \(shellCommand("rm -r", part))")
  }
}

/// A planned file as it lies in pieces.
struct FileImage {
  /// Ascending, without gaps, unless nobody knows how many bytes there are.
  private let runs: [(range: Range<Int>, path: String, offset: Int)]

  /// A file of pieces.
  ///
  /// - Parameters:
  ///   - planned: what it is to be.
  ///   - pieces: where they are, and which bytes they have; nil for all.
  /// - Throws: `malformed` if they don't cover it once.
  init(
    _ planned: RecordedPlan.File, _ pieces: [(path: String, ranges: [[Int]]?)]
  ) throws(CheckpointError) {
    var runs: [(range: Range<Int>, path: String, offset: Int)] = []
    for piece in pieces {
      var offset = 0
      for range in piece.ranges ?? [[0, planned.byteCount ?? 0]] {
        runs.append((range[0]..<range[1], piece.path, offset))
        offset += range[1] - range[0]
      }
    }
    runs.sort { $0.range.lowerBound < $1.range.lowerBound }
    var end = 0
    let isWhole = runs.allSatisfy { run in
      defer { end = run.range.upperBound }
      return run.range.lowerBound == end
    }
    guard isWhole, !pieces.isEmpty, end == planned.byteCount ?? 0 else {
      throw CheckpointError(
        .malformed, "the pieces aren't the whole file", file: planned.name,
        expected: "\(planned.byteCount ?? 0) bytes", found: "\(end)",
        hint: "do all parts again, with one version of weighbridge")
    }
    self.runs = runs
  }

  /// Makes sure that headers and directories are what was planned, but for checksums.
  ///
  /// - Throws: `corrupt`.
  func requireFrame(of planned: RecordedPlan.File) throws(CheckpointError) {
    guard let expected = planned.frameDigest else { return }
    var digest = StreamingDigest()
    let checksums = planned.checksums.flatMap { $0 }.sorted()
    var next = 0
    var open: InputFile?
    for run in planned.frame where run.count == 2 && run[0] >= 0 && run[1] >= 0 {
      var bytes = try read(run[0]..<run[0] + run[1], &open)
      while next < checksums.count, checksums[next] < run[0] + run[1] {
        let place = checksums[next] - run[0]
        for place in max(0, place)..<min(bytes.count, max(0, place + 4)) { bytes[place] = 0 }
        next += 1
      }
      bytes.withUnsafeBytes { digest.update($0) }
    }
    guard digest.digest == expected else {
      throw CollectedParts.changed(
        runs[0].path, expected: "the header that was planned", found: "other bytes")
    }
  }

  /// Bytes of the file, which are few.
  ///
  /// - Parameters:
  ///   - range: of the file.
  ///   - open: the piece that was read last.
  /// - Returns: the bytes.
  /// - Throws: `inputOutput`.
  private func read(
    _ range: Range<Int>, _ open: inout InputFile?
  ) throws(CheckpointError) -> [UInt8] {
    var bytes: [UInt8] = []
    for run in runs where run.range.overlaps(range) {
      let common = run.range.clamped(to: range)
      let file = try open?.path == run.path ? open : InputFile(path: run.path)
      open = file
      bytes +=
        try file?.region.bytes(
          at: run.offset + common.lowerBound - run.range.lowerBound, count: common.count) ?? []
    }
    return bytes
  }
}
