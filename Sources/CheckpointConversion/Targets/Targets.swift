import CheckpointFormats
import FileContainers
import TensorModel

/// All formats that conversions write: one line each.
enum Targets {
  static let all: [any ConversionTarget.Type] = [
    SafetensorsTarget.self,
    StoreTarget.self,
    MeshTransformerTarget.self,
    NPZTarget.self,
    GGUFTarget.self,
  ]

  /// Whether a destination of that name is one file.
  static func isSingleFile(_ destination: String) -> Bool {
    all.contains { $0.fileEnding.map(destination.hasSuffix) ?? false }
  }

  /// What tells the parts of a destination that is one file and is to be cut; nil for others.
  static func partCount(for request: ConversionRequest) -> AtomicDestination.PartCount? {
    let target = all.first { $0.fileEnding.map(request.destination.hasSuffix) ?? false }
    guard let partCount = target?.partCount, let sharding = request.settings.sharding,
      sharding != ConversionPlan.Sharding.none
    else { return nil }
    let file = Directories.split(request.destination).name
    return { partCount($0, file) }
  }

  /// What was asked for, else what the destination's ending says, else the source's own format if it is one that is re-sharded.
  ///
  /// - Throws: `usage`, with a complete command for each format that fits.
  static func target(
    for request: ConversionRequest, _ source: Source
  ) throws(CheckpointError) -> any ConversionTarget.Type {
    let named = all.first { $0.endings.contains(where: request.destination.hasSuffix) }
    if let asked = request.format {
      guard let format = Formats.named(asked),
        let target = all.first(where: { $0.format == format })
      else {
        throw CheckpointError(
          .usage, "--to names no format that is written here",
          expected: all.map { $0.format.name }.joined(separator: ", "), found: asked)
      }
      if let named, named.fileEnding != nil, named != target {
        throw CheckpointError(
          .usage, "--to and the destination's name say different formats",
          file: request.destination, expected: target.format.name, found: named.format.name,
          hint: "leave out --to, or choose another name")
      }
      return target
    }
    if let named { return named }
    if let own = all.first(where: { $0.isResharded && $0.format.name == source.checkpoint.format })
    {
      return own
    }
    let commands = all.map {
      "weighbridge convert '\(request.source)' '\(request.destination)' --to \($0.format.name)"
    }
    throw CheckpointError(
      .usage, "neither --to nor the destination's name says which format to write",
      file: request.destination, hint: "for example\n" + commands.joined(separator: "\n"))
  }
}
