import CheckpointFormats
import FileContainers
import TensorModel

/// The format that a conversion writes.
struct TargetFormat {
  /// Formats that can be written.
  static let writable: [any CheckpointFormat.Type] = [SafetensorsFormat.self]

  let name: String

  /// What was asked for, else what the destination's ending says, else the source's own if it is one that is re-sharded.
  ///
  /// - Throws: `usage`, with a complete command for each format that fits.
  init(_ request: ConversionRequest, _ source: Source) throws(CheckpointError) {
    if let asked = request.format {
      guard let format = Formats.named(asked),
        Self.writable.contains(where: { $0.name == format.name })
      else {
        throw CheckpointError(
          .usage, "--to names no format that is written here",
          expected: Self.writable.map { $0.name }.joined(separator: ", "), found: asked)
      }
      name = format.name
    } else if request.destination.hasSuffix(".safetensors")
      || source.checkpoint.format == SafetensorsFormat.name
    {
      name = SafetensorsFormat.name
    } else {
      let commands = Self.writable.map {
        "weighbridge convert '\(request.source)' '\(request.destination)' --to \($0.name)"
      }
      throw CheckpointError(
        .usage, "neither --to nor the destination's name says which format to write",
        file: request.destination, hint: "for example\n" + commands.joined(separator: "\n"))
    }
  }
}
