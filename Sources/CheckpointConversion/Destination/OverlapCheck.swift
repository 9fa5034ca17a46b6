import CheckpointFormats
import FileContainers
import TensorModel

/// Where a destination lies, and where what is read for it: a destination inside the source would be read while it is written, and what is inside the
/// destination would be replaced.
///
/// Places count, not paths: the same folder may have several, by links and by mounts. Single files are known by `ReadFiles`, once they are open.
struct OverlapCheck {
  private let request: ConversionRequest
  private let partCount: AtomicDestination.PartCount?

  /// A check of a request whose destination may be cut into parts.
  init(_ request: ConversionRequest, _ partCount: AtomicDestination.PartCount?) {
    self.request = request
    self.partCount = partCount
  }

  /// Refuses what overlaps.
  ///
  /// - Throws: `usage`.
  func run() throws(CheckpointError) {
    try checkOptions()
    guard request.source != "-" else { return }
    let (source, destination) = (request.source, request.destination)
    if isInside(destination, source) {
      throw CheckpointError(
        .usage, "the destination lies inside the source", file: destination,
        hint: "choose a destination outside of \(source)")
    }
    let (parent, name) = Directories.split(Directories.resolved(source))
    let folder = Directories.split(Directories.resolved(destination)).parent
    if let partCount, partCount(name) != nil, parent == folder {
      throw CheckpointError(
        .usage, "the source is of the parts that would be replaced", file: source,
        hint: "choose another name for the destination")
    }
    if request.force, isInside(source, destination) {
      throw CheckpointError(
        .usage, "the source lies inside the destination, which --force would replace",
        file: destination, hint: "choose another destination")
    }
  }

  /// What options name, whether the destination exists already or not.
  private func checkOptions() throws(CheckpointError) {
    let options = request.openOptions
    let bases = (options.bases?.paths ?? []).filter { $0 != "-" }
    for base in bases where isInside(request.destination, base) {
      throw CheckpointError(
        .usage, "the destination lies inside the base", file: request.destination,
        hint: "choose a destination outside of \(base)")
    }
    for input in [options.configurationName, options.assetsDirectory].compactMap({ $0 }) + bases
    where isInside(input, request.destination) {
      throw CheckpointError(
        .usage, "lies inside the destination, which would replace it", file: input,
        hint: "choose another destination")
    }
    if let spool = request.spoolDirectory, isInside(spool, request.destination) {
      throw CheckpointError(
        .usage, "--spool lies inside the destination, which holds nothing but the result",
        file: spool, hint: "name a directory outside of \(request.destination)")
    }
  }

  /// By the path, also where nothing is there yet, and by what the system knows.
  private func isInside(_ path: String, _ folder: String) -> Bool {
    let (place, outer) = (Directories.resolved(path), Directories.resolved(folder))
    return place == outer || place.hasPrefix(outer == "/" ? "/" : "\(outer)/")
      || Directories.isInside(path, folder)
  }
}
