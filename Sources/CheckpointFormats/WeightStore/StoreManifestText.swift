// store.json: an object with sorted keys. Its member `digest` is SHA-256 of the whole file with the 64 digits of that member replaced by zeros,
// so that any change to the manifest shows.

import FileContainers
import TensorModel

extension StoreManifest {
  private static let noDigest = "sha256:" + String(repeating: "0", count: 64)

  /// The manifest's text, its own digest filled in.
  ///
  /// Tensors become text one by one: there can be hundreds of thousands.
  public var text: [UInt8] {
    var bytes = Array("{".utf8)
    var digits: Range<Int>?
    for (place, member) in members.enumerated() {
      bytes += (place > 0 ? ",\n  " : "\n  ").utf8
      bytes += "\(JSONValue.quoted(member.key)): ".utf8
      if member.key == "tensors" {
        appendTensors(to: &bytes)
      } else {
        Self.append(member.value, indentedBy: 2, to: &bytes)
      }
      if member.key == "digest" { digits = bytes.count - 65..<bytes.count - 1 }
    }
    bytes += "\n}\n".utf8
    guard let digits else { return bytes }
    bytes.replaceSubrange(digits, with: Array(Digest(of: bytes).hexadecimal.utf8))
    return bytes
  }

  private func appendTensors(to bytes: inout [UInt8]) {
    bytes += "[".utf8
    for (place, tensor) in tensors.enumerated() {
      bytes += (place > 0 ? ",\n    " : "\n    ").utf8
      Self.append(Self.value(tensor, isDifference: base != nil), indentedBy: 4, to: &bytes)
    }
    bytes += (tensors.isEmpty ? "]" : "\n  ]").utf8
  }

  /// Appends a value's text; in its strings there are no line feeds.
  private static func append(_ value: JSONValue, indentedBy count: Int, to bytes: inout [UInt8]) {
    for byte in value.documentText.utf8 {
      bytes.append(byte)
      if byte == UInt8(ascii: "\n") { bytes += repeatElement(UInt8(ascii: " "), count: count) }
    }
  }

  /// Where the digits of the manifest's own digest stand in its text.
  static func digestDigits(_ document: JSONValue) -> Range<Int>? {
    guard let member = document.members?.first(where: { $0.key == "digest" }),
      let range = member.range, member.value.text.flatMap(Digest.init) != nil,
      // As it is written: "sha256:…" without escapes.
      range.count == 73
    else { return nil }
    return range.lowerBound + 8..<range.upperBound - 1
  }

  /// What it consists of, in order, without the tensors.
  private var members: [JSONValue.Member] {
    [
      .init("architecture", architecture.map(JSONValue.string) ?? .null),
      .init("assets", .array(assets.map(Self.value))),
      .init("attention", .string(attention.rawValue)),
      .init("base", base.map(Self.value) ?? .null),
      .init("certificate", Self.value(certificate)),
      .init("chunk_table", Self.value(chunkTable)),
      .init("configuration", configuration),
      .init("digest", .string(Self.noDigest)),
      .init("links", Self.value(links)),
      .init(
        "metadata",
        .object(metadata.sorted { $0.key < $1.key }.map { .init($0.key.text, .string($0.value)) })),
      .init("root", .string(root.description)),
      .init("schema", .string(base == nil ? Self.schemaName : Self.differenceSchemaName)),
      .init("tensors", .array([])),
      .init("training_step", trainingStep.map(JSONValue.integer) ?? .null),
      .init("volumes", .array(volumes.map(Self.value))),
    ]
  }

  private static func value(_ file: FileRecord) -> JSONValue {
    .object([
      .init("byte_count", .integer(file.byteCount)),
      .init("digest", .string(file.digest.description)), .init("name", .string(file.name)),
    ])
  }

  private static func value(_ volume: Volume) -> JSONValue {
    .object([
      .init("byte_count", .integer(volume.byteCount)), .init("name", .string(volume.name)),
      .init("structure_digest", .string(volume.structureDigest.description)),
    ])
  }

  private static func value(_ base: Base) -> JSONValue {
    .object([
      .init("hint", .string(base.hint)), .init("root", .string(base.root.description)),
    ])
  }

  private static func value(_ tensor: Tensor, isDifference: Bool) -> JSONValue {
    var members: [JSONValue.Member] = []
    if isDifference { members.append(.init("base", tensor.base.map(value) ?? .null)) }
    if let dataset = tensor.dataset { members.append(.init("dataset", .string(dataset))) }
    members += [
      .init("digest", .string(tensor.digest.description)),
      .init("dtype", .string(tensor.type.dtype.rawValue)),
      .init("encoding", value(tensor.encoding)),
      .init("name", .string(tensor.name)),
      .init("shape", .array(tensor.type.shape.dimensions.map(JSONValue.integer))),
    ]
    if let volume = tensor.volume { members.append(.init("volume", .string(volume))) }
    return .object(members)
  }

  private static func value(_ base: BaseTensor) -> JSONValue {
    .object([
      .init("digest", .string(base.digest.description)),
      .init("dtype", .string(base.dtype.rawValue)), .init("name", .string(base.name)),
    ])
  }

  private static func value(_ encoding: Encoding) -> JSONValue {
    switch encoding {
    case .contiguous: .object([.init("layout", .string("contiguous"))])
    case .base: .object([.init("layout", .string("base"))])
    case .chunked(let chunk, let filters):
      .object([
        .init("chunk", .array(chunk.map(JSONValue.integer))),
        .init("filters", .array(filters.map { .string($0.rawValue) })),
        .init("layout", .string("chunked")),
      ])
    }
  }
}
