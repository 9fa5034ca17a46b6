public import FileContainers
public import TensorModel

/// Keras's weights as HDF5, as transformers saved TensorFlow models: `tf_model.h5`, and sharded sets with an index.
public enum KerasFormat: CheckpointFormat {
  /// `keras`.
  public static let name = "keras"
  /// For `--help`.
  public static let summary =
    "Keras weights (.h5), as transformers saved TensorFlow models, one file or shards with an index"

  /// The name of a single file in a directory.
  static let fileName = "tf_model.h5"
  /// The name of a sharded set's index.
  static let indexFileName = "tf_model.h5.index.json"

  /// What HDF5 begins with.
  static let signature: [UInt8] = [0x89] + Array("HDF\r\n\u{1a}\n".utf8)

  /// Whether a name is one that weights of this format have.
  static func isWeights(name: String) -> Bool { name.hasSuffix(".h5") || name.hasSuffix(".hdf5") }

  /// Recognised by HDF5's signature, which lies at the beginning or, after a block of the user's, at a power of 2 from 512.
  public static func recognises(file: FileRegion) throws(CheckpointError) -> Bool {
    try contents(of: file) != nil
  }

  /// The file from HDF5's signature on; nil if there is none.
  static func contents(of file: FileRegion) throws(CheckpointError) -> FileRegion? {
    var offset = 0
    while file.byteCount >= signature.count, offset <= file.byteCount - signature.count {
      if try file.bytes(at: offset, count: signature.count) == signature {
        return file.part(at: offset, count: file.byteCount - offset)
      }
      offset = max(512, 2 * offset)
    }
    return nil
  }

  /// Opens one file.
  public static func open(
    file: FileRegion, name: String, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    try KerasReader([(name, file)], options.datasets)
  }

  /// Opens one file by what somebody says of it.
  ///
  /// - Parameters:
  ///   - file: all of it; where HDF5's signature is doesn't matter.
  ///   - name: the file's.
  ///   - catalogue: of its weights, which isn't trusted.
  /// - Returns: a reader.
  /// - Throws: `malformed` or `unsupported` for what the catalogue says and the file doesn't have, or what isn't read.
  public static func open(
    file: FileRegion, name: String, _ catalogue: DatasetCatalogue
  ) throws(CheckpointError) -> any CheckpointReader {
    try KerasReader([KerasFile(name: name, whole: file, contents: file, catalogue: catalogue)])
  }

  /// A directory that holds `tf_model.h5`, its index, or any other `.h5` with HDF5's signature.
  public static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    if tree.containsFile(fileName) || tree.containsFile(indexFileName) { return true }
    return try !files(in: tree).isEmpty
  }

  private static func files(in tree: any FileTree) throws(CheckpointError) -> [String] {
    var files: [String] = []
    for name in try tree.children(of: "") where isWeights(name: name) && tree.containsFile(name) {
      if try recognises(file: tree.region(name)) { files.append(name) }
    }
    return files
  }

  /// Opens `tf_model.h5`, else the sharded set, else the only file of that kind.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    if tree.containsFile(fileName) {
      return try open(file: tree.region(fileName), name: fileName, options)
    }
    if tree.containsFile(indexFileName) {
      return try open(
        index: tree.contents(of: indexFileName, limit: ShardIndex.maximumByteCount),
        named: indexFileName, in: tree, options)
    }
    let files = try files(in: tree)
    let only = try ShardIndex.only(of: files, kind: "HDF5", without: indexFileName, in: tree)
    return try open(file: tree.region(only), name: only, options)
  }

  /// Opens the shards of an index.
  static func open(
    index bytes: [UInt8], named name: String, in tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    let index = try ShardIndex(parsing: bytes, fileName: name)
    return try KerasReader(
      index.open(in: tree), options.datasets, index: index,
      indexFile: [.init(name: name, byteCount: bytes.count)])
  }
}
