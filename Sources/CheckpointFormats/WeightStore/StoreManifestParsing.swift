import FileContainers
public import TensorModel

extension StoreManifest {
  /// Reads a manifest and checks it against the digest that it carries.
  ///
  /// - Throws: `corrupt` if it was changed, `malformed` or `unsupported` if it isn't one.
  public init(parsing bytes: [UInt8]) throws(CheckpointError) {
    do throws(CheckpointError) {
      let document = try JSONValue(parsing: bytes)
      guard let schema = document["schema"]?.text,
        [Self.schemaName, Self.differenceSchemaName].contains(schema)
      else {
        throw CheckpointError(
          .unsupported, "not a store of a version that is read here",
          expected: "\(Self.schemaName) or \(Self.differenceSchemaName)",
          found: document["schema"]?.shortText ?? "no schema",
          hint: "use the version of weighbridge that wrote it, or a later one")
      }
      try Self.checkDigest(bytes, document)
      try self.init(document, isDifference: schema == Self.differenceSchemaName)
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

  /// What a manifest may say, as its schemas have it.
  private static let keys: Set = [
    "architecture", "assets", "attention", "base", "certificate", "chunk_table", "configuration",
    "digest", "links", "metadata", "root", "schema", "tensors", "training_step", "volumes",
  ]

  private init(_ document: JSONValue, isDifference: Bool) throws(CheckpointError) {
    let reference = document["base"]
    guard (reference != .null) == isDifference else {
      throw CheckpointError(
        .unsupported,
        isDifference
          ? "a store of differences that names no base" : "a complete store that names a base",
        found: "base", hint: "get the store again, or make it again from its source")
    }
    try document.allow(Self.keys)
    let base = isDifference ? try Base(document.member("base")) : nil
    var tensors: [Tensor] = []
    for entry in try document.list("tensors") {
      tensors.append(try Tensor(entry, isDifference: isDifference))
    }
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
    self.base = base
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

extension StoreManifest.Base {
  fileprivate init(_ entry: JSONValue) throws(CheckpointError) {
    try entry.allow(["hint", "root"])
    self.init(root: try entry.digest("root"), hint: try entry.string("hint"))
    guard hint.utf8.count <= Self.maximumHintByteCount else {
      throw CheckpointError(
        .malformed, "too long a name of a base",
        expected: "at most \(Self.maximumHintByteCount) bytes", found: "\(hint.utf8.count)")
    }
  }
}

extension StoreManifest.BaseTensor {
  fileprivate init(_ entry: JSONValue) throws(CheckpointError) {
    try entry.allow(["digest", "dtype", "name"])
    self.init(
      name: try entry.string("name"), dtype: try entry.dtype(), digest: try entry.digest("digest"))
  }
}

extension StoreManifest.Tensor {
  private static let keys: Set = [
    "base", "dataset", "digest", "dtype", "encoding", "name", "shape", "volume",
  ]

  fileprivate init(_ entry: JSONValue, isDifference: Bool) throws(CheckpointError) {
    let name = try entry.string("name")
    do throws(CheckpointError) {
      try entry.allow(Self.keys)
      let dtype = try entry.dtype()
      var dimensions: [Int] = []
      for extent in try entry.list("shape") {
        guard let value = extent.integer else {
          throw CheckpointError(.malformed, "not an extent", found: extent.shortText)
        }
        dimensions.append(value)
      }
      var base: StoreManifest.BaseTensor?
      if isDifference {
        let reference = try entry.member("base")
        if reference != .null { base = try StoreManifest.BaseTensor(reference) }
      } else if entry["base"] != nil {
        throw CheckpointError(
          .malformed, "a tensor of a complete store that names a base", found: "base")
      }
      let encoding = try StoreManifest.Encoding(entry.member("encoding"))
      let isElsewhere = encoding == .base
      self.init(
        name: name, type: TensorType(dtype, try Shape(checking: dimensions)),
        volume: isElsewhere ? nil : try entry.string("volume"),
        dataset: isElsewhere ? nil : try entry.string("dataset"), encoding: encoding,
        digest: try entry.digest("digest"), base: base)
      try checkBase(entry)
      try checkDataset()
    } catch { throw error.in(tensor: name) }
  }

  /// What a tensor of the base can't be the same as, or differ from.
  private func checkBase(_ entry: JSONValue) throws(CheckpointError) {
    guard let base else {
      guard encoding != .base else {
        throw CheckpointError(.malformed, "a tensor of a base that isn't named", found: "base")
      }
      return
    }
    if encoding == .base {
      guard entry["volume"] == nil, entry["dataset"] == nil else {
        throw CheckpointError(.malformed, "a tensor of the base that lies in a volume, too")
      }
      guard base.dtype == type.dtype, base.digest == digest else {
        throw CheckpointError(
          .malformed, "a tensor of the base that isn't the same there",
          expected: "\(type.dtype.rawValue), \(digest)",
          found: "\(base.dtype.rawValue), \(base.digest)")
      }
    } else if !type.dtype.differs(from: base.dtype) {
      throw CheckpointError(
        .malformed, "a difference between dtypes that have none",
        expected: type.dtype.rawValue, found: base.dtype.rawValue)
    }
  }

  /// Differences lie where nobody takes them for weights, and weights where they are found: each in a place that its name tells.
  private func checkDataset() throws(CheckpointError) {
    guard let dataset else { return }
    let own = StoreFormat.datasetPath(for: name, isDifference: isDifference)
    guard ExactName(dataset) == ExactName(own) else {
      throw CheckpointError(
        .malformed, "a dataset in the wrong group, or of another tensor", expected: own,
        found: dataset, hint: "get the store again, or make it again from its source")
    }
  }
}

extension StoreManifest.Encoding {
  fileprivate init(_ entry: JSONValue) throws(CheckpointError) {
    switch try entry.string("layout") {
    case "contiguous":
      try entry.allow(["layout"])
      self = .contiguous
    case "base":
      try entry.allow(["layout"])
      self = .base
    case "chunked":
      try entry.allow(["chunk", "filters", "layout"])
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
    try entry.allow(["byte_count", "name", "structure_digest"])
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
    try entry.allow(["byte_count", "digest", "name"])
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

  fileprivate func dtype() throws(CheckpointError) -> DType {
    guard let dtype = DType(rawValue: try string("dtype")) else {
      throw CheckpointError(.unsupported, "unknown dtype", found: self["dtype"]?.shortText)
    }
    return dtype
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

  /// Makes sure that an object says nothing that isn't known: whoever wrote it meant something by it.
  ///
  /// - Throws: `malformed`.
  fileprivate func allow(_ keys: Set<String>) throws(CheckpointError) {
    guard let other = members?.first(where: { !keys.contains($0.key) }) else { return }
    throw CheckpointError(
      .malformed, "a key of the manifest that isn't known",
      expected: keys.sorted().joined(separator: ", "), found: other.key,
      hint: "use the version of weighbridge that wrote it, or a later one")
  }

  private func misfit(_ key: String, _ expected: String) -> CheckpointError {
    CheckpointError(
      .malformed, "the manifest's '\(key)' is of the wrong kind", expected: expected,
      found: self[key]?.shortText)
  }
}
