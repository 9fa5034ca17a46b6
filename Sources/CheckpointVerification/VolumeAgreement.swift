import CheckpointFormats
import HDF5Files
import TensorModel

/// What a volume's HDF5 structures say against what the manifest and the chunk table say: everybody must read the same tensors.
struct VolumeAgreement {
  private let volume: String
  private let catalogue: HDF5Catalogue

  init(_ volume: String, _ catalogue: HDF5Catalogue) {
    self.volume = volume
    self.catalogue = catalogue
  }

  /// Every difference, and everything in the file that must not be in a volume.
  func findings(_ reader: StoreReader) -> [Finding] {
    var findings = catalogue.problems.map { finding($0, nil) }
    var datasets: [ExactName: HDF5Catalogue.Dataset] = [:]
    for dataset in catalogue.datasets { datasets[ExactName(dataset.path)] = dataset }
    for (position, tensor) in reader.manifest.tensors.enumerated() where tensor.volume == volume {
      guard let path = tensor.dataset,
        let dataset = datasets.removeValue(forKey: ExactName(path))
      else {
        findings.append(finding("has no dataset in the volume", tensor.name))
        continue
      }
      if let difference = difference(dataset, tensor, reader.tensors[position]) {
        findings.append(finding("its dataset has another \(difference)", tensor.name))
      }
    }
    for name in datasets.keys.sorted() {
      findings.append(finding("a dataset that the manifest doesn't list: '\(name.text)'", nil))
    }
    return findings
  }

  private func finding(_ message: String, _ tensor: String?) -> Finding {
    Finding(.error, "store-disagrees", message, file: volume, tensor: tensor)
  }

  private func difference(
    _ dataset: HDF5Catalogue.Dataset, _ tensor: StoreManifest.Tensor,
    _ stored: StoreReader.StoredTensor
  ) -> String? {
    if dataset.name.map({ ExactName($0) }) != ExactName(tensor.name) { return "attribute 'name'" }
    if dataset.dtype != tensor.type.dtype.rawValue { return "attribute 'dtype'" }
    if !dataset.storedDTypes.contains(tensor.storedType.dtype.rawValue) { return "type" }
    if tensor.isDifference {
      if dataset.base.map({ ExactName($0) }) != tensor.base.map({ ExactName($0.name) }) {
        return "attribute 'base'"
      }
      if dataset.coding != HDF5Volume.Difference.coding { return "attribute 'coding'" }
    }
    if dataset.extents != stored.grid.extents { return "shape" }
    if tensor.type.dtype.blockElementCount > 1,
      dataset.shape != tensor.type.shape.canonicalText
    {
      return "attribute 'shape'"
    }
    switch (dataset.layout, tensor.encoding) {
    case (.contiguous(let offset, let byteCount), .contiguous):
      let sum = stored.chunks.reduce(0) { $0 + $1.byteCount }
      var end = offset
      for chunk in stored.chunks {
        if chunk.byteOffset != end { return "place" }
        end = chunk.byteOffset + chunk.byteCount
      }
      return byteCount == sum ? nil : "size"
    case (.chunked(let extents, let filters, let chunks), .chunked(let chunk, let named)):
      if extents != chunk { return "chunk shape" }
      let numbers = named.map {
        $0 == .shuffle ? HDF5Volume.shuffleFilter : HDF5Volume.zstdFilter
      }
      if filters != numbers { return "list of filters" }
      let found = chunks.sorted { $0.start.lexicographicallyPrecedes($1.start) }
      let written = stored.chunks.enumerated().filter { !$0.element.isAbsent }
      let isSame =
        found.count == written.count
        && zip(found, written).allSatisfy { found, chunk in
          found.start == stored.grid.start(of: chunk.offset)
            && found.offset == chunk.element.byteOffset
            && found.storedByteCount == chunk.element.byteCount
            && Int(found.skippedFilters) == chunk.element.filterMask
        }
      return isSame ? nil : "set of chunks"
    default: return "layout"
    }
  }
}

extension HDF5Catalogue {
  /// Where a dataset lies in its volume.
  fileprivate static func path(_ linkName: String, isDifference: Bool) -> String {
    "/\(isDifference ? HDF5Storage.differenceGroupName : HDF5Storage.groupName)/\(linkName)"
  }
}

extension HDF5Catalogue.Dataset {
  /// Where it lies in its volume.
  fileprivate var path: String { HDF5Catalogue.path(linkName, isDifference: isDifference) }
}
