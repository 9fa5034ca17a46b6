public import TensorModel

/// Where an archive comes from.
public enum ArchiveSource: Sendable {
  /// A file on disk.
  case file(InputFile)
  /// What is piped into the process; can be read once.
  case standardInput
}

/// Lists an archive and gives access to its members.
///
/// An uncompressed tar file is indexed in place. Anything else is unpacked in one pass, as a plain tar, into a spool file, which
/// can later be opened like any archive. A spool that couldn't be completed is removed.
///
/// - Parameters:
///   - source: the archive.
///   - displayName: what messages call it.
///   - spoolPath: where the spool goes, if one is needed; must not exist yet.
///   - limit: how large a spool may become.
///   - progress: told now and then how many bytes of the source have been consumed.
///   - checkCancellation: called about once per MiB; what it throws ends the work.
/// - Returns: the members, and what a person should know about the archive.
/// - Throws: `malformed`, `corrupt` or `unsupported` for the archive; `noSpace`, `inputOutput`; what `checkCancellation` throws.
public func openArchive(
  _ source: ArchiveSource, displayName: String, spoolPath: String,
  limit: ExpansionLimit = .standard,
  progress: ((Int) -> Void)? = nil,
  checkCancellation: (() throws(CheckpointError) -> Void)? = nil
) throws(CheckpointError) -> (tree: ArchiveTree, findings: [Finding]) {
  do throws(CheckpointError) {
    let stream: any SequentialBytes
    var byteCount: Int?
    let start: [UInt8]
    switch source {
    case .file(let file):
      start = try file.region.head(ArchiveKind.headByteCount)
      let kind = try ArchiveKind(requiring: start)
      if kind == .tar {
        try refuseMisleadingName(of: file)
        let index = try TarIndexer(indexing: SequentialRegion(file.region))
        return (try tree(of: index, in: file, displayName), named(index.findings, displayName))
      }
      stream = SequentialRegion(file.region)
      byteCount = file.byteCount
    case .standardInput:
      let input = StandardInput { () throws(CheckpointError) in try checkCancellation?() }
      start = try input.next(ArchiveKind.headByteCount)
      stream = RejoinedBytes(start, input)
    }
    let tar = try ArchiveKind(requiring: start) == .zstdTar ? ZstdStream(stream) : stream
    let watch = try SpoolWatch(
      spoolPath, tar, byteCount: byteCount, limit: limit, progress: progress,
      checkCancellation: checkCancellation)
    let index = try spool(tar, at: spoolPath, watch)
    do throws(CheckpointError) {
      let spool = try InputFile(path: spoolPath)
      return (try tree(of: index, in: spool, displayName), named(index.findings, displayName))
    } catch {
      try? Directories.removeTree(spoolPath)
      throw error
    }
  } catch { throw error.in(file: displayName) }
}

private func spool(
  _ tar: any SequentialBytes, at path: String, _ watch: SpoolWatch
) throws(CheckpointError) -> TarIndexer {
  let file = try OutputFile(creating: path, byteCount: 0)
  do throws(CheckpointError) {
    return try TarIndexer(indexing: SpoolingTarSource(tar, spool: file, watch: watch))
  } catch {
    try? Directories.removeTree(path)
    throw error
  }
}

private func tree(
  of index: TarIndexer, in file: InputFile, _ displayName: String
) throws(CheckpointError) -> ArchiveTree {
  var regions: [ExactName: FileRegion] = [:]
  for member in index.members {
    guard let region = file.region.part(at: member.offset, count: member.byteCount) else {
      throw CheckpointError(
        .inputOutput, "the archive became shorter while it was read", file: file.path,
        byteOffset: member.offset)
    }
    regions[ExactName(member.path)] = region
  }
  return ArchiveTree(displayName: displayName, members: regions)
}

private func named(_ findings: [Finding], _ name: String) -> [Finding] {
  findings.map {
    Finding($0.severity, $0.check, $0.message, file: $0.file ?? name, tensor: $0.tensor)
  }
}

/// A plain tar that is called a compressed one was swapped or half unpacked by somebody.
private func refuseMisleadingName(of file: InputFile) throws(CheckpointError) {
  guard [".zst", ".zstd"].contains(where: { file.path.lowercased().hasSuffix($0) }) else { return }
  throw CheckpointError(
    .malformed, "an uncompressed tar archive with the name of a compressed one", byteOffset: 0,
    expected: "a zstd frame", found: "a tar header",
    hint: "if something unpacked it on the way, rename it to end in .tar")
}
