// What an importance run has summed up so far, in a GGUF file beside the output: `.NAME.partial`. Weights are named by their places in the decoder,
// PROJECTION.LAYER.EXPERT; sums are F64, so that a run that is taken up gives the same bytes as one that wasn't interrupted.

public import FileContainers
import ModelArchitectures
import Quantization
public import TensorModel

/// The work of an interrupted run.
public struct ImportanceState {
  /// Windows that are done.
  public let windowCount: Int
  let sums: [DecoderPlace: ColumnSquares.Sums]

  private static let planKey = "weighbridge.importance.plan"
  private static let windowsKey = "weighbridge.importance.windows"

  /// For messages, and what such files begin with.
  public static let kind = SingleOutput.Kind(
    title: "unfinished work of weighbridge importance", beginning: GGUFHeader.magic)

  init(windowCount: Int, _ sums: [DecoderPlace: ColumnSquares.Sums]) {
    self.windowCount = windowCount
    self.sums = sums
  }

  /// Where the work of a run is kept.
  ///
  /// - Parameter output: the path of the file that it makes.
  /// - Returns: the path of a hidden file beside it.
  public static func path(for output: String) -> String {
    let (parent, name) = Directories.split(output)
    return "\(parent)/.\(name).partial"
  }

  /// Makes sure that what has that name is a run's work, if anything has: nothing else is written over or removed.
  ///
  /// - Parameter path: of the file.
  /// - Throws: `conflict`, `inputOutput`.
  public static func requireOwn(_ path: String) throws(CheckpointError) {
    guard let kind = FileKind(ofEntry: path) else { return }
    if kind == .file, !Directories.hasOtherNames(path),
      let header = try ifUsable({ () throws(CheckpointError) in
        try GGUFHeader(InputFile(path: path).region)
      }), header[planKey] != nil
    {
      return
    }
    throw CheckpointError(
      .conflict, "is in the way: it isn't unfinished work of this tool", file: path,
      expected: "unfinished work of weighbridge importance",
      found: kind == .file ? "another file" : PathObstacle.text(path),
      hint: "move it away, or name another file for the output")
  }

  /// Reads what a run has left.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - plan: what is to be done.
  ///   - limit: how many windows there are.
  /// - Throws: `conflict` where it is the work of another plan, `malformed`, `inputOutput`.
  public init(path: String, plan: Digest, windowCount limit: Int) throws(CheckpointError) {
    do throws(CheckpointError) {
      let header = try GGUFHeader(InputFile(path: path).region)
      guard header[Self.planKey]?.text == "\(plan)",
        let count = header[Self.windowsKey]?.integer, (0...limit).contains(count)
      else {
        throw CheckpointError(
          .conflict, "unfinished work of another model, of other tokens or with other options",
          hint: "repeat the command as it was, or discard the work with --force")
      }
      windowCount = count
      var sums: [DecoderPlace: ColumnSquares.Sums] = [:]
      for (name, entry) in try ImportanceSums(path: path, recordedIn: nil).entries {
        guard let place = DecoderPlace(stateName: name.text), entry.counts.count == 1 else {
          throw CheckpointError(.malformed, "no place in a decoder", tensor: name.text)
        }
        sums[place] = ColumnSquares.Sums(squares: entry.sums, rowCount: Int(entry.counts[0]))
      }
      self.sums = sums
    } catch { throw error.in(file: path) }
  }

  /// Writes it, in one step instead of what was there.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - plan: what is being done.
  ///   - inputs: what is read, which it may not replace.
  /// - Throws: `conflict` if something else stands there, `noSpace`, `inputOutput`.
  public func write(
    to path: String, plan: Digest, besides inputs: ReadFiles
  ) throws(CheckpointError) {
    var contents = ImportanceSums()
    for (place, sums) in sums {
      contents.entries[ExactName(place.stateName)] = ImportanceSums.Entry(
        sums: sums.squares, counts: [Double(sums.rowCount)])
    }
    let output = try SingleOutput(path, Self.kind, besides: inputs)
    try ImportanceFile(
      exactly: contents,
      [(Self.planKey, .text("\(plan)")), (Self.windowsKey, .count(windowCount))]
    ).write(to: output.file)
    try output.finish()
  }
}

extension DecoderPlace {
  /// `PROJECTION.LAYER.EXPERT`, with nothing where there is none.
  fileprivate var stateName: String {
    let numbers = [layer, number].map { $0.map(String.init) ?? "" }
    return "\(role.projection?.rawValue ?? "").\(numbers[0]).\(numbers[1])"
  }

  fileprivate init?(stateName: String) {
    let parts = stateName.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, let projection = DecoderRole.Projection(rawValue: String(parts[0]))
    else { return nil }
    self.init(.weight(projection), Int(parts[1]), Int(parts[2]))
  }
}
