import CheckpointFormats
import FileContainers
import Quantization
import TensorModel

/// All formats that conversions write: one line each.
enum Targets {
  private static let known: [Entry] = [
    Entry(SafetensorsTarget.self, fileEnding: ".safetensors"),
    Entry(StoreTarget.self, directoryEnding: ".store"),
    Entry(MeshTransformerTarget.self),
    Entry(NPZTarget.self, fileEnding: ".npz"),
    Entry(GGUFTarget.self, fileEnding: ".gguf"),
    Entry(MLXTarget.self),
    Entry(WeightDeltaTarget.self),
  ]

  /// A target, and what destinations' names say of it.
  private struct Entry {
    let target: any ConversionTarget.Type
    /// What the name of a destination that is one file ends in; nil if it always is a directory.
    let fileEnding: String?
    /// What the name of a directory ends in that is of this format; nil if names say nothing.
    let directoryEnding: String?

    init(
      _ target: any ConversionTarget.Type, fileEnding: String? = nil,
      directoryEnding: String? = nil
    ) {
      self.target = target
      self.fileEnding = fileEnding
      self.directoryEnding = directoryEnding
    }

    /// Whether the name of a destination says this format.
    func isNamed(by destination: String) -> Bool {
      [fileEnding, directoryEnding].contains { $0.map(destination.hasSuffix) ?? false }
    }
  }

  /// Endings of files of formats that are read, or by other programs, and not written.
  private static let endingsOfOthers = [
    ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx", ".npy", ".tar", ".zip", ".zst",
    ".gz",
  ]

  /// Every target.
  static var all: [any ConversionTarget.Type] { known.map(\.target) }

  /// What `--to` takes: the formats' names, and their other ones.
  static var names: [String] { all.flatMap { [$0.format.name] + $0.format.aliases } }

  /// The entry of a destination that is one file, by its name.
  private static func ofSingleFile(_ destination: String) -> Entry? {
    known.first { $0.fileEnding.map(destination.hasSuffix) ?? false }
  }

  /// The format of a destination that is one file, by its name; nil for directories.
  static func singleFileFormat(_ destination: String) -> (any CheckpointFormat.Type)? {
    ofSingleFile(destination)?.target.format
  }

  /// Whether a destination of that name is one file.
  static func isSingleFile(_ destination: String) -> Bool { ofSingleFile(destination) != nil }

  /// Whether a destination that is one file can be cut into parts.
  static func canBeCut(_ destination: String) -> Bool {
    ofSingleFile(destination)?.target.partCount != nil
  }

  /// What tells the parts of a destination that is one file, where they stand instead of it; nil where a file has none, and where the source's are
  /// joined to one.
  static func partCount(for request: ConversionRequest) -> AtomicDestination.PartCount? {
    guard let partCount = ofSingleFile(request.destination)?.target.partCount else { return nil }
    let file = Directories.split(request.destination).name
    let isCut = (request.settings.sharding ?? .none) != ConversionPlan.Sharding.none
    if !isCut, request.source != "-" {
      let source = Directories.split(Directories.resolved(request.source))
      let folder = Directories.split(Directories.resolved(request.destination)).parent
      if partCount(source.name, file) != nil, source.parent == folder { return nil }
    }
    return Self.partCount(ofSets: request.destination)
  }

  /// The same of a destination whose sets give way to it or are written as it.
  static func partCount(ofSets destination: String) -> AtomicDestination.PartCount? {
    guard let partCount = ofSingleFile(destination)?.target.partCount else { return nil }
    let file = Directories.split(destination).name
    return { partCount($0, file) }
  }

  /// What was asked for, else what the destination's ending says, else the source's own format if it is one that is re-sharded.
  ///
  /// - Throws: `usage`, with a complete command for each format that fits.
  static func target(
    for request: ConversionRequest, _ source: Source
  ) throws(CheckpointError) -> any ConversionTarget.Type {
    if let target = request.target { return target }
    let entry = known.first { $0.isNamed(by: request.destination) }
    let named = entry?.target
    if let asked = request.format {
      let name = asked.lowercased()
      guard
        let target = all.first(where: {
          $0.format.name == name || $0.format.aliases.contains(name)
        })
      else {
        let near = nearNames(asked, among: names)
        throw CheckpointError(
          .usage, "--to names no format that is written here",
          expected: all.map { $0.format.name }.joined(separator: ", "), found: asked,
          hint: near.isEmpty ? nil : "did you mean \(alternatives(near))?")
      }
      if let named, named != target, let scheme = request.settings.quantization?.scheme {
        throw CheckpointError(
          .usage, "\(scheme) isn't written in the format that the destination's name says",
          file: request.destination, expected: target.format.name, found: named.format.name,
          hint: "choose another name, or a scheme of that format: weighbridge quantize --help")
      }
      if let named, named != target, entry?.fileEnding != nil {
        throw CheckpointError(
          .usage, "--to and the destination's name say different formats",
          file: request.destination, expected: target.format.name, found: named.format.name,
          hint: "leave out --to, or choose another name")
      }
      return target
    }
    if let named { return named }
    if let ending = endingsOfOthers.first(where: request.destination.hasSuffix) {
      throw CheckpointError(
        .usage, "files that end in \(ending) aren't written here", file: request.destination,
        expected: "a directory, or a name that ends in "
          + known.compactMap(\.fileEnding).joined(separator: ", "),
        hint: "choose another name, or say with --to which format the directory is to have")
    }
    if let own = all.first(where: { $0.isResharded && $0.format.name == source.checkpoint.format })
    {
      return own
    }
    let commands = all.map {
      shellCommand(
        "weighbridge convert --to \($0.format.name)", request.source, request.destination)
    }
    throw CheckpointError(
      .usage, "neither --to nor the destination's name says which format to write",
      file: request.destination, hint: "for example",
      hintLines: commands)
  }
}
