public import FileContainers
public import TensorModel

/// GGUF, the format of llama.cpp: one file, or a split set.
public enum GGUFFormat: CheckpointFormat {
  /// `gguf`.
  public static let name = "gguf"
  /// For `--help`.
  public static let summary = "GGUF of llama.cpp, one file or a split set"

  /// Recognised by the magic number.
  public static func recognises(file: FileRegion) throws(CheckpointError) -> Bool {
    try file.head(4) == GGUFHeader.magic
  }

  /// Opens one file, which may not be a part of a set.
  public static func open(
    file: FileRegion, name: String, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    try GGUFReader([(name, file)], options)
  }

  /// The names of all parts of the set that a file is a part of, as far as they lie beside it.
  ///
  /// - Throws: `inputOutput`.
  static func parts(beside name: String, in folder: String) throws(CheckpointError) -> [String]? {
    guard let part = GGUFSplitName(name), part.count > 1 else { return nil }
    return try Directories.names(in: folder).filter {
      GGUFSplitName($0).map {
        ExactName($0.stem) == ExactName(part.stem) && $0.count == part.count
      } ?? false
    }.sorted()
  }

  /// Opens parts of a set, which lie beside each other.
  static func open(
    parts: [(name: String, region: FileRegion)], _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    try GGUFReader(parts, options)
  }

  /// A directory that holds one `.gguf`, or the parts of one split set.
  public static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    try tree.children(of: "").contains { $0.hasSuffix(".gguf") }
  }

  /// Opens a directory's only file, or all parts of its only set.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    let names = try tree.children(of: "").filter { $0.hasSuffix(".gguf") }
    let sets = Set(names.map { GGUFSplitName($0)?.stem ?? $0 })
    guard sets.count == 1 else {
      throw CheckpointError(
        .unsupported, "several GGUF files that are no parts of one set", file: tree.displayName,
        found: names.prefix(4).joined(separator: ", "), hint: "name one of the files")
    }
    var parts: [(name: String, region: FileRegion)] = []
    for name in names { parts.append((name, try tree.region(name))) }
    return try GGUFReader(parts, options)
  }
}

/// The name of a part of a split set, `STEM-00001-of-00003.gguf`.
struct GGUFSplitName: Hashable {
  /// What comes before the number.
  let stem: String
  /// The part's number, from 1.
  let number: Int
  /// How many parts there are.
  let count: Int

  /// A part's name.
  init(stem: String, number: Int, count: Int) {
    self.stem = stem
    self.number = number
    self.count = count
  }

  /// Reads a name; nil if it is another file's.
  init?(_ name: String) {
    let form = /(.+)-([0-9]{5})-of-([0-9]{5})\.gguf/
    guard let match = name.wholeMatch(of: form), let number = Int(match.2),
      let count = Int(match.3), (1...count).contains(number)
    else { return nil }
    self.init(stem: String(match.1), number: number, count: count)
  }
}
