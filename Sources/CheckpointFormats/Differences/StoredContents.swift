import FileContainers
public import TensorModel

/// What lies in the volumes of a store of differences, read without its base: tensors that are stored by themselves, and differences as whole numbers.
public final class StoredContents: CheckpointReader {
  /// The datasets, under the tensors' names; tensors of the base aren't among them.
  public let checkpoint: Checkpoint
  private let store: StoreReader
  /// Places in the store.
  private let positions: [Int]

  /// Looks at a store.
  ///
  /// - Throws: never for stores that could be opened.
  public init(_ store: StoreReader) throws(CheckpointError) {
    var infos: [TensorInfo] = []
    var positions: [Int] = []
    for (position, tensor) in store.manifest.tensors.enumerated() where tensor.encoding != .base {
      infos.append(
        try TensorInfo(
          name: tensor.name, dtype: tensor.storedType.dtype, shape: tensor.type.shape,
          file: tensor.volume ?? StoreFormat.manifestName,
          recordedDigest: tensor.isDifference ? nil : tensor.digest.hexadecimal))
      positions.append(position)
    }
    checkpoint = try Checkpoint(
      format: store.checkpoint.format, layout: store.checkpoint.layout, tensors: infos,
      files: store.checkpoint.files)
    self.store = store
    self.positions = positions
  }

  /// Copies a region of a dataset.
  ///
  /// - Throws: `corrupt`, with the chunk, or `inputOutput`.
  public func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    try store.readStored(positions[position], region, into: destination)
  }
}

extension Source {
  /// The store that it is, by itself or together with a base; nil for other formats.
  public var store: StoreReader? {
    reader as? StoreReader ?? (reader as? DifferenceReader)?.store
  }

  /// What it is a difference to; nil for a complete checkpoint.
  public var difference: BaseNeed? {
    (reader as? BareUpdate)?.need ?? (reader as? WeightDeltaReader)?.need
      ?? (store?.manifest).flatMap { BaseNeed($0) }
  }

  /// Whether it is a difference that was opened without its base, so that not all tensors can be read.
  public var lacksBase: Bool {
    base == nil && (reader is BareUpdate || store?.lacksBase ?? false)
  }

  /// Makes sure that all tensors can be read.
  ///
  /// - Throws: `usage` for a difference that was opened without its base.
  public func requireBase() throws(CheckpointError) {
    guard lacksBase, let need = difference else { return }
    throw OpenOptions.withoutBase(need, of: path)
  }
}
