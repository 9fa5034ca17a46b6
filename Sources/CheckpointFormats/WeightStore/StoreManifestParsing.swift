import FileContainers
public import TensorModel

extension StoreManifest {
  /// Reads a manifest and checks it against the digest that it carries.
  ///
  /// - Throws: `corrupt` if it was changed, `malformed` or `unsupported` if it isn't one.
  public init(parsing bytes: [UInt8]) throws(CheckpointError) {
    do throws(CheckpointError) {
      let document = try JSONValue(parsing: bytes)
      guard let schema = document["schema"]?.text, schema == Self.schemaName else {
        throw CheckpointError(
          .unsupported, "not a store of a version that is read here", expected: Self.schemaName,
          found: document["schema"]?.shortText ?? "no schema")
      }
      try Self.checkDigest(bytes, document)
      try self.init(document)
      guard rootOfTensors == root else {
        throw CheckpointError(
          .corrupt, "the manifest's root is not that of its tensors", expected: "\(root)",
          found: "\(rootOfTensors)", hint: "get the store again, or import it again")
      }
    } catch { throw error.in(file: StoreFormat.manifestName) }
  }

  private static func checkDigest(
    _ bytes: [UInt8], _ document: JSONValue
  ) throws(CheckpointError) {
    guard let digits = digestDigits(document) else {
      throw CheckpointError(.malformed, "the manifest has no digest of itself")
    }
    var cleared = bytes
    cleared.replaceSubrange(digits, with: repeatElement(UInt8(ascii: "0"), count: digits.count))
    let recorded = String(decoding: bytes[digits], as: UTF8.self)
    let found = Digest(of: cleared).hexadecimal
    guard recorded == found else {
      throw CheckpointError(
        .corrupt, "the manifest was changed after it was written",
        expected: "sha256:\(recorded)", found: "sha256:\(found)",
        hint: "get the store again, or import it again")
    }
  }

  private init(_ document: JSONValue) throws(CheckpointError) {
    guard document["base"] == .null else {
      throw CheckpointError(
        .unsupported, "a store of differences to another one", found: "base",
        hint: "a later version of weighbridge reads it")
    }
    var tensors: [Tensor] = []
    for entry in try document.list("tensors") { tensors.append(try Tensor(entry)) }
    var volumes: [Volume] = []
    for entry in try document.list("volumes") { volumes.append(try Volume(entry)) }
    var assets: [FileRecord] = []
    for entry in try document.list("assets") {
      assets.append(try FileRecord(entry, mayLieInFolders: true))
    }
    guard Set(volumes.map(\.name)).count == volumes.count,
      Set(assets.map { ExactName($0.name) }).count == assets.count
    else { throw CheckpointError(.malformed, "a file stands twice in the manifest") }
    self.init(
      tensors: tensors, volumes: volumes, links: try FileRecord(document.member("links")),
      chunkTable: try FileRecord(document.member("chunk_table")), assets: assets,
      certificate: try FileRecord(document.member("certificate")),
      root: try document.digest("root"))
    architecture = document["architecture"]?.text
    configuration = document["configuration"] ?? .null
    // Manifests from before it was written are of causal models.
    if let name = document["attention"] {
      guard let known = name.text.flatMap(AttentionMode.init) else {
        throw CheckpointError(.unsupported, "unknown attention", found: name.shortText)
      }
      attention = known
    }
    trainingStep = document["training_step"]?.integer
    for member in document["metadata"]?.members ?? [] {
      guard let text = member.value.text else {
        throw CheckpointError(.malformed, "metadata that is no text", found: member.key)
      }
      metadata[ExactName(member.key)] = text
    }
  }
}

extension StoreManifest.Tensor {
  fileprivate init(_ entry: JSONValue) throws(CheckpointError) {
    let name = try entry.string("name")
    do throws(CheckpointError) {
      guard let dtype = DType(rawValue: try entry.string("dtype")) else {
        throw CheckpointError(
          .unsupported, "unknown dtype", found: entry["dtype"]?.shortText)
      }
      var dimensions: [Int] = []
      for extent in try entry.list("shape") {
        guard let value = extent.integer else {
          throw CheckpointError(.malformed, "not an extent", found: extent.shortText)
        }
        dimensions.append(value)
      }
      self.init(
        name: name, type: TensorType(dtype, try Shape(checking: dimensions)),
        volume: try entry.string("volume"), dataset: try entry.string("dataset"),
        encoding: try StoreManifest.Encoding(entry.member("encoding")),
        digest: try entry.digest("digest"))
    } catch { throw error.in(tensor: name) }
  }
}

extension StoreManifest.Encoding {
  fileprivate init(_ entry: JSONValue) throws(CheckpointError) {
    switch try entry.string("layout") {
    case "contiguous": self = .contiguous
    case "chunked":
      var chunk: [Int] = []
      for extent in try entry.list("chunk") { chunk.append(extent.integer ?? 0) }
      var filters: [StoreManifest.Filter] = []
      for name in try entry.list("filters") {
        guard let filter = name.text.flatMap(StoreManifest.Filter.init) else {
          throw CheckpointError(.unsupported, "unknown filter", found: name.shortText)
        }
        filters.append(filter)
      }
      guard [[.shuffle, .zstd], [.zstd], [.shuffle], []].contains(filters) else {
        throw CheckpointError(.unsupported, "filters in an order that stores don't have")
      }
      self = .chunked(chunk, filters)
    case let layout: throw CheckpointError(.unsupported, "unknown layout", found: layout)
    }
  }
}

extension StoreManifest.Volume {
  fileprivate init(_ entry: JSONValue) throws(CheckpointError) {
    let name = try entry.string("name")
    // Nothing else can be meant, and nothing outside of the store.
    let digits = name.dropFirst("weights-".count).dropLast(".h5".count)
    guard name.hasPrefix("weights-"), name.hasSuffix(".h5"), digits.utf8.count >= 5,
      digits.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { throw CheckpointError(.malformed, "not the name of a volume", found: name) }
    self.init(
      name: name, byteCount: try entry.count("byte_count"),
      structureDigest: try entry.digest("structure_digest"))
  }
}

extension StoreManifest.FileRecord {
  fileprivate init(
    _ entry: JSONValue, mayLieInFolders: Bool = false
  ) throws(CheckpointError) {
    let name = try entry.string("name")
    // Bytes, not characters: a slash before a combining accent is another character, but the same path.
    let components = name.utf8.split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard components.count == 1 || mayLieInFolders,
      !components.contains(where: { ["", ".", ".."].contains(String($0) ?? "") }),
      !name.utf8.contains(0)
    else { throw CheckpointError(.malformed, "not the name of a file", found: name) }
    self.init(
      name: name, byteCount: try entry.count("byte_count"), digest: try entry.digest("digest"))
  }
}

extension JSONValue {
  fileprivate func member(_ key: String) throws(CheckpointError) -> JSONValue {
    guard let value = self[key] else {
      throw CheckpointError(.malformed, "the manifest lacks something", expected: "'\(key)'")
    }
    return value
  }

  fileprivate func string(_ key: String) throws(CheckpointError) -> String {
    guard let text = try member(key).text else { throw misfit(key, "a string") }
    return text
  }

  fileprivate func list(_ key: String) throws(CheckpointError) -> [JSONValue] {
    guard let elements = try member(key).elements else { throw misfit(key, "an array") }
    return elements
  }

  fileprivate func count(_ key: String) throws(CheckpointError) -> Int {
    guard let value = try member(key).integer, value >= 0 else { throw misfit(key, "a size") }
    return value
  }

  fileprivate func digest(_ key: String) throws(CheckpointError) -> Digest {
    guard let digest = try member(key).text.flatMap(Digest.init) else {
      throw misfit(key, "sha256:<64 hexadecimal digits>")
    }
    return digest
  }

  private func misfit(_ key: String, _ expected: String) -> CheckpointError {
    CheckpointError(
      .malformed, "the manifest's '\(key)' is of the wrong kind", expected: expected,
      found: self[key]?.shortText)
  }
}
