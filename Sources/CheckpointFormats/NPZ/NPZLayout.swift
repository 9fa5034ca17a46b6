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
    // numpy adds `.npy` to names and takes it away: asked for `a.npy`, it would give `a`.
    let endingSo = Set(
      tensors.lazy.map(\.name).filter { $0.utf8.suffix(4).elementsEqual(ending.utf8) }
        .map { ExactName($0) })
    var entries: [ZipFrame.Entry] = []
    entries.reserveCapacity(tensors.count)
    // Of hundreds of thousands of tensors most have one of few types.
    var headers: [TensorType: [UInt8]] = [:]
    for (name, type) in tensors {
      do throws(CheckpointError) {
        try check(name, endingSo)
        if headers[type] == nil {
          headers[type] = try NPYHeader(dtype: type.dtype, shape: type.shape).bytes
        }
        entries.append(
          ZipFrame.Entry(
            name: name + ending, head: headers[type] ?? [],
            byteCount: type.geometry.rows * type.geometry.rowByteCount))
      } catch { throw error.in(tensor: name) }
    }
    return try ZipFrame.layout(entries)
  }

  private static let ending = ".npy"

  private static func check(_ name: String, _ endingSo: Set<ExactName>) throws(CheckpointError) {
    guard !name.isEmpty else {
      throw CheckpointError(.unsupported, "npz files can't hold an array without a name")
    }
    guard endingSo.isEmpty || !endingSo.contains(ExactName(name + ending)) else {
      throw CheckpointError(
        .unsupported, "numpy can't tell this array from '\(name).npy' in the same npz file",
        hint: "choose a format that holds any name, such as safetensors")
    }
  }
}
