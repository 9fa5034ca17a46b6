public import FileContainers
public import TensorModel

/// TensorFlow V2 checkpoints (`PREFIX.index`, `PREFIX.data-00000-of-00001`): GPT-2's and GPT-Neo's original format.
public enum TensorFlowFormat: CheckpointFormat {
  /// `tensorflow`.
  public static let name = "tensorflow"
  /// `tf`.
  public static let aliases = ["tf"]
  /// For `--help`.
  public static let summary =
    "TensorFlow V2 checkpoints (PREFIX.index, PREFIX.data-…), GPT-2's and GPT-Neo's original format"

  /// The end of an index's name.
  static let indexEnding = ".index"

  /// Whether a folder has the file that names a checkpoint, or an index with data beside it.
  public static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    if CheckpointState.isThere(tree) { return true }
    return try !prefixes(in: tree).isEmpty
  }

  /// The checkpoints of a folder that have an index and data.
  private static func prefixes(in tree: any FileTree) throws(CheckpointError) -> [String] {
    let names = try tree.children(of: "")
    return names.filter { $0.hasSuffix(indexEnding) }.map { String($0.dropLast(indexEnding.count)) }
      .filter { prefix in names.contains { $0.hasPrefix("\(prefix).data-00000-of-") } }
  }

  /// Whether a file is an index: by what it ends with, or by data files beside it.
  ///
  /// - Throws: `inputOutput`.
  static func isIndex(_ name: String, in tree: any FileTree) throws(CheckpointError) -> Bool {
    guard name.hasSuffix(indexEnding), tree.containsFile(name) else { return false }
    if try prefixes(in: tree).contains(where: { $0 + indexEnding == name }) { return true }
    let file = try tree.region(name)
    let count = SortedTable.magic.count
    guard file.byteCount >= count else { return false }
    return try file.bytes(at: file.byteCount - count, count: count) == SortedTable.magic
  }

  /// Opens the checkpoint that `checkpoint` names, else the only one.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    if tree.containsFile(CheckpointState.fileName) {
      let prefix = try CheckpointState.prefix(in: tree)
      guard tree.containsFile(prefix + indexEnding) else {
        let others = try prefixes(in: tree)
        throw CheckpointError(
          .missing, "the checkpoint that '\(CheckpointState.fileName)' names is not there",
          file: prefix + indexEnding,
          found: others.isEmpty ? "no other" : others.prefix(5).joined(separator: ", "),
          hint: others.first.map { "name the index of another one, such as \($0)\(indexEnding)" }
            ?? "the download is incomplete: the checkpoint's .index and .data files are missing")
      }
      return try TensorFlowReader(prefix, in: tree, isNamed: true, options)
    }
    let prefixes = try prefixes(in: tree)
    guard prefixes.count == 1, let only = prefixes.first else {
      throw CheckpointError(
        .usage, "several checkpoints in one place, and no file 'checkpoint' that names one",
        file: tree.displayName, found: prefixes.prefix(5).joined(separator: ", "),
        hint: prefixes.first.map { "name the index of one, such as \($0)\(indexEnding)" })
    }
    return try TensorFlowReader(only, in: tree, isNamed: false, options)
  }

  /// Opens the checkpoint of an index.
  static func open(
    index name: String, in tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    try TensorFlowReader(
      String(name.dropLast(indexEnding.count)), in: tree, isNamed: false, options)
  }
}
