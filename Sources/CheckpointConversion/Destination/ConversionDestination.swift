import CheckpointFormats
import FileContainers
import TensorModel

extension ConversionJob {
  /// The destination, after making sure that it may be written.
  func destination() throws(CheckpointError) -> AtomicDestination {
    try refuseOverlap()
    let format = Targets.singleFileFormat(request.destination)
    let replacement: AtomicDestination.Replacement = { (path) throws(CheckpointError) in
      if let format {
        try Replaceable.require(file: path, of: format)
      } else {
        try Replaceable.require(directory: path)
      }
    }
    let destination = try AtomicDestination(
      request.destination, kind: isSingleFile ? .file : .directory, partCount: partCount,
      replacing: request.force ? replacement : nil, resuming: request.resume)
    try refuseForeignCertificate(destination)
    return destination
  }

  /// A certificate that is left beside a file that is gone isn't overwritten unasked, and not found out about at the end of the work.
  private func refuseForeignCertificate(
    _ destination: AtomicDestination
  ) throws(CheckpointError) {
    guard isSingleFile else { return }
    let folder = Directories.split(destination.path).parent
    let path = "\(folder)/\(try Converter.certificateName(for: destination))"
    guard fileExists(path) else { return }
    let isCertificate = try ifUsable { () throws(CheckpointError) in
      try JSONDocument.parse(
        Certificate.self, InputFile.contents(of: path, limit: Certificate.maximumByteCount),
        file: path)
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

  /// A destination inside the source would be read while it is written; a source inside the destination would be replaced.
  private func refuseOverlap() throws(CheckpointError) {
    let destination = Directories.resolved(request.destination)
    let folder = destination == "/" ? "/" : "\(destination)/"
    for input in [request.openOptions.configurationName, request.openOptions.assetsDirectory] {
      guard let input, "\(Directories.resolved(input))/".hasPrefix(folder) else { continue }
      throw CheckpointError(
        .usage, "lies inside the destination, which would replace it", file: input,
        hint: "choose another destination")
    }
    guard request.source != "-" else { return }
    let source = Directories.resolved(request.source)
    if destination == source || destination.hasPrefix("\(source)/") {
      throw CheckpointError(
        .usage, "the destination lies inside the source", file: request.destination,
        hint: "choose a destination outside of \(request.source)")
    }
    let (parent, name) = Directories.split(source)
    if let partCount, partCount(name) != nil, parent == Directories.split(destination).parent {
      throw CheckpointError(
        .usage, "the source is of the parts that would be replaced", file: request.source,
        hint: "choose another name for the destination")
    }
    if source.hasPrefix(folder) && request.force {
      throw CheckpointError(
        .usage, "the source lies inside the destination, which --force would replace",
        file: request.destination)
    }
  }
}
