public import FileContainers
public import TensorModel

/// Where tensors go in one `.npz` file, which is then what `numpy.savez` writes for the same arrays under the same names.
public enum NPZLayout {
  /// Lays a file out.
  ///
  /// - Parameter tensors: names, dtypes, shapes, in the order of the file; names differ.
  /// - Returns: zip and npy headers and directory, and where each tensor's bytes go.
  /// - Throws: `unsupported` for dtypes that numpy doesn't have, and for names that numpy or a zip archive can't hold.
  public static func layout(
    _ tensors: [(name: String, type: TensorType)]
  ) throws(CheckpointError) -> FileLayout {
    let names = Set(tensors.map { ExactName($0.name) })
    var entries: [ZipFrame.Entry] = []
    entries.reserveCapacity(tensors.count)
    // Of hundreds of thousands of tensors most have one of few types.
    var headers: [TensorType: [UInt8]] = [:]
    for (name, type) in tensors {
      do throws(CheckpointError) {
        try check(name, names)
        if headers[type] == nil {
          headers[type] = try NPYHeader(dtype: type.dtype, shape: type.shape).bytes
        }
        entries.append(
          ZipFrame.Entry(
            name: "\(name).npy", head: headers[type] ?? [],
            byteCount: type.geometry.rows * type.geometry.rowByteCount))
      } catch { throw error.in(tensor: name) }
    }
    return try ZipFrame.layout(entries)
  }

  private static func check(_ name: String, _ names: Set<ExactName>) throws(CheckpointError) {
    guard !name.isEmpty else {
      throw CheckpointError(.unsupported, "npz files can't hold an array without a name")
    }
    // numpy adds `.npy` to names and takes it away: asked for `a.npy`, it would give `a`.
    guard !names.contains(ExactName("\(name).npy")) else {
      throw CheckpointError(
        .unsupported, "numpy can't tell this array from '\(name).npy' in the same npz file",
        hint: "choose a format that holds any name, such as safetensors")
    }
  }
}
