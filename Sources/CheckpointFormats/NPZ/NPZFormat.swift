public import FileContainers
public import TensorModel

/// Named numpy arrays: `.npz` archives and single `.npy` files.
public enum NPZFormat: CheckpointFormat {
  /// `npz`.
  public static let name = "npz"
  /// For `--help`.
  public static let summary = "numpy arrays by name, .npz or a single .npy"

  /// The name that an archive has in a directory.
  public static let fileName = "model.npz"

  /// What a zip archive with members begins with.
  static let zipSignature: [UInt8] = [0x50, 0x4b, 0x03, 0x04]
  private static let emptyZipSignature: [UInt8] = [0x50, 0x4b, 0x05, 0x06]
  private static let npySignature: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Recognised by a zip's or an array's first bytes.
  public static func recognises(file: FileRegion) throws(CheckpointError) -> Bool {
    let head = try file.bytes(at: 0, count: min(6, file.byteCount))
    return head == npySignature
      || [zipSignature, emptyZipSignature].contains(Array(head.prefix(4)))
  }

  /// Opens an archive or an array.
  public static func open(
    file: FileRegion, name: String, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    let head = try file.bytes(at: 0, count: min(6, file.byteCount))
    do throws(CheckpointError) {
      if head == npySignature {
        let arrayName = name.hasSuffix(".npy") ? String(name.dropLast(4)) : name
        return try ArrayReader(
          format: self.name, layout: "one array",
          arrays: [NamedArray(name: arrayName, array: try NPYArray(file), file: name)],
          files: [.init(name: name, byteCount: file.byteCount)], findings: [])
      }
      let archive = try NPZArchive(
        file, name: name, unpacking: options.unpacking)
      return try ArrayReader(
        format: self.name, layout: "\(archive.arrays.count) arrays", arrays: archive.arrays,
        files: [.init(name: name, byteCount: file.byteCount)], findings: archive.findings)
    } catch { throw error.in(file: name) }
  }
}

extension NPZFormat {
  /// Whether there is a `model.npz`, as conversions into a directory make it.
  public static func recognises(tree: any FileTree) -> Bool { tree.containsFile(fileName) }

  /// Opens a directory's `model.npz`.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    try open(file: tree.region(fileName), name: fileName, options)
  }
}

/// A checkpoint of numpy arrays under names of their own.
final class ArrayReader: CheckpointReader {
  let checkpoint: Checkpoint
  private let arrays: [NamedArray]

  /// A reader of arrays that have been opened.
  init(
    format: String, layout: String, arrays: [NamedArray], files: [Checkpoint.SourceFile],
    findings: [Finding]
  ) throws(CheckpointError) {
    var tensors: [TensorInfo] = []
    tensors.reserveCapacity(arrays.count)
    for place in arrays.indices {
      // Not as a copy: there can be a million.
      tensors.append(
        try TensorInfo(
          name: arrays[place].name, dtype: arrays[place].array.header.dtype,
          shape: arrays[place].array.header.shape, file: arrays[place].file))
    }
    // The archive has been seen to have no member twice; of several archives nobody has.
    var checkpoint = try Checkpoint(
      format: format, layout: layout, tensors: tensors, files: files,
      namesDiffer: files.count == 1)
    checkpoint.findings = findings + nameFindings(tensors)
    self.checkpoint = checkpoint
    self.arrays = arrays
  }

  func confirm(_ position: Int) throws(CheckpointError) {
    do throws(CheckpointError) { try arrays[position].array.contents.confirm() } catch {
      let tensor = checkpoint.tensors[position]
      throw error.in(file: tensor.file, tensor: tensor.name)
    }
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    do throws(CheckpointError) { try arrays[position].array.read(region, into: destination) } catch
    {
      let tensor = checkpoint.tensors[position]
      throw error.in(file: tensor.file, tensor: tensor.name)
    }
  }
}
