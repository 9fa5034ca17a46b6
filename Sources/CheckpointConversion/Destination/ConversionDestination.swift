import CheckpointFormats
import FileContainers
import TensorModel

extension ConversionJob {
  /// The destination, after making sure that it may be written.
  func destination() throws(CheckpointError) -> AtomicDestination {
    try OverlapCheck(request, partCount).run()
    let name = Directories.split(request.destination).name
    if GGUFSplit.isOfSeveral(name), let whole = GGUFSplit.wholeName(ofPart: name) {
      throw CheckpointError(
        .usage, "the name is that of a part of a set, of which there would be no others",
        file: request.destination,
        hint: "name the whole, \(whole): with --max-shard-size it is cut into such parts")
    }
    let destination = try AtomicDestination(
      request.destination, kind: isSingleFile ? .file : .directory, partCount: partCount,
      replacing: Replaceable.replacement(
        of: request.destination, besides: request.openOptions.readFiles),
      isForced: request.force, resuming: request.resume)
    try refuseForeignCertificate(destination)
    return destination
  }

  /// Makes sure of it again, when all inputs are known.
  ///
  /// - Throws: `conflict` if one of them would be replaced, or something else has appeared meanwhile.
  func confirm(_ destination: AtomicDestination) throws(CheckpointError) {
    try destination.requireReplaceable()
    try refuseForeignCertificate(destination)
  }

  /// A certificate that is left beside a file that is gone isn't overwritten unasked, and not found out about at the end of the work.
  private func refuseForeignCertificate(
    _ destination: AtomicDestination
  ) throws(CheckpointError) {
    guard isSingleFile else { return }
    let folder = Directories.split(destination.path).parent
    let path = "\(folder)/\(try Converter.certificateName(for: destination))"
    guard fileExists(path) else { return }
    try request.openOptions.readFiles.refuseLoss(of: path)
    let isCertificate = try ifUsable { () throws(CheckpointError) in
      try Certificate(at: path, file: path)
    }
    guard isCertificate != nil, FileKind(ofEntry: path) == .file else {
      throw CheckpointError(
        .conflict, "something else stands where the certificate goes", file: path,
        hint: "move it away, or choose another destination")
    }
    // An interrupted run may have published its certificate already; the file comes after it.
    guard !request.force, !destination.hasPartial else { return }
    throw CheckpointError(
      .conflict, "the certificate of a file that is gone is in the way", file: path,
      hint: "move it away, or --force to replace it")
  }
}
