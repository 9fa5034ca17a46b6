// One volume of a store: an HDF5 file with a group /tensors and a dataset per tensor. Written through libhdf5, never read by it here.
// Nothing in it depends on when or where it was written.

import CHDF5
public import TensorModel

/// A volume that is being written. One owner at a time.
public final class HDF5Volume {
  /// The registered filter identifiers, https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md
  private static let zstdFilter: H5Z_filter_t = 32015

  /// Where every allocation in the file begins: multiples of this, so that contiguous tensors can be used in place.
  public static let alignment = 64

  /// How a dataset's chunks are encoded.
  public struct Encoding: Hashable, Sendable {
    /// The chunk's extents.
    public let chunk: [Int]
    /// Whether bytes are shuffled before they are compressed.
    public let shuffles: Bool
    /// The level that the filter's parameter names; readers don't need it.
    public let level: Int

    /// An encoding.
    public init(chunk: [Int], shuffles: Bool, level: Int) {
      self.chunk = chunk
      self.shuffles = shuffles
      self.level = level
    }
  }

  /// A dataset of this volume.
  public struct Dataset {
    fileprivate let identifier: HDF5Identifier
  }

  private let path: String
  private var file: HDF5Identifier?
  private var group: HDF5Identifier?

  /// Creates a volume that must not exist yet.
  ///
  /// - Throws: `inputOutput`.
  public init(creating path: String) throws(CheckpointError) {
    self.path = path
    let (file, group) = try HDF5.exclusively { () throws(CheckpointError) in
      let access = try HDF5Identifier(
        H5Pcreate(wb_h5_file_access()), "create", path, release: H5Pclose)
      try HDF5.check(
        H5Pset_alignment(access.value, 1, hsize_t(Self.alignment)), "create", path)
      let creation = try HDF5Identifier(
        H5Pcreate(wb_h5_file_creation()), "create", path, release: H5Pclose)
      try HDF5.check(H5Pset_obj_track_times(creation.value, false), "create", path)
      let file = try HDF5Identifier(
        H5Fcreate(path, wb_h5_exclusive(), creation.value, access.value), "create", path,
        release: H5Fclose)
      let groupCreation = try HDF5Identifier(
        H5Pcreate(wb_h5_group_creation()), "create", path, release: H5Pclose)
      try HDF5.check(H5Pset_obj_track_times(groupCreation.value, false), "create", path)
      let group = try HDF5Identifier(
        H5Gcreate2(file.value, "tensors", wb_h5_default(), groupCreation.value, wb_h5_default()),
        "create a group in", path, release: H5Gclose)
      return (file, group)
    }
    self.file = file
    self.group = group
  }

  /// Creates a dataset.
  ///
  /// - Parameters:
  ///   - linkName: its name in `/tensors`, already escaped.
  ///   - tensor: its real name, for an attribute.
  ///   - type: dtype and shape.
  ///   - encoding: of its chunks; nil for a contiguous one, whose bytes are allocated at once.
  /// - Returns: the dataset.
  /// - Throws: `inputOutput` or `noSpace`.
  public func createDataset(
    _ linkName: String, tensor: String, _ type: TensorType, _ encoding: Encoding?
  ) throws(CheckpointError) -> Dataset {
    guard let group else { throw CheckpointError(.inputOutput, "closed already", file: path) }
    return try HDF5.exclusively { () throws(CheckpointError) in
      let extents = HDF5Storage.extents(type.dtype, type.shape).map { hsize_t($0) }
      let space = try HDF5Identifier(
        extents.isEmpty
          ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(extents.count), extents, nil),
        "create a dataset in", path, release: H5Sclose)
      let creation = try HDF5Identifier(
        H5Pcreate(wb_h5_dataset_creation()), "create a dataset in", path, release: H5Pclose)
      var results = [
        H5Pset_obj_track_times(creation.value, false),
        H5Pset_fill_time(creation.value, H5D_FILL_TIME_NEVER),
      ]
      if let encoding {
        results.append(
          H5Pset_chunk(
            creation.value, Int32(encoding.chunk.count), encoding.chunk.map { hsize_t($0) }))
        if encoding.shuffles { results.append(H5Pset_shuffle(creation.value)) }
        var parameter = UInt32(encoding.level)
        // Optional: libhdf5 then creates the dataset without having the filter itself.
        results.append(
          H5Pset_filter(
            creation.value, Self.zstdFilter, UInt32(H5Z_FLAG_OPTIONAL), 1, &parameter))
      } else {
        results.append(H5Pset_layout(creation.value, H5D_CONTIGUOUS))
        results.append(H5Pset_alloc_time(creation.value, H5D_ALLOC_TIME_EARLY))
      }
      for result in results { try HDF5.check(result, "create a dataset in", path) }
      let storage = try HDF5Storage.type(type.dtype, path)
      let dataset = try HDF5Identifier(
        H5Dcreate2(
          group.value, linkName, storage.value, space.value, wb_h5_default(), creation.value,
          wb_h5_default()), "create a dataset in", path, release: H5Dclose)
      try setAttribute("name", tensor, on: dataset)
      try setAttribute("dtype", type.dtype.rawValue, on: dataset)
      if type.dtype.blockElementCount > 1 {
        try setAttribute("shape", type.shape.canonicalText, on: dataset)
      }
      return Dataset(identifier: dataset)
    }
  }

  private func setAttribute(
    _ name: String, _ value: String, on object: HDF5Identifier
  ) throws(CheckpointError) {
    let bytes = Array(value.utf8)
    let type = try HDF5Identifier(
      H5Tcopy(wb_h5_c_string()), "create an attribute in", path, release: H5Tclose)
    try HDF5.check(H5Tset_size(type.value, max(1, bytes.count)), "create an attribute in", path)
    try HDF5.check(H5Tset_cset(type.value, H5T_CSET_UTF8), "create an attribute in", path)
    try HDF5.check(H5Tset_strpad(type.value, H5T_STR_NULLPAD), "create an attribute in", path)
    let space = try HDF5Identifier(
      H5Screate(H5S_SCALAR), "create an attribute in", path, release: H5Sclose)
    let attribute = try HDF5Identifier(
      H5Acreate2(
        object.value, name, type.value, space.value, wb_h5_default(), wb_h5_default()),
      "create an attribute in", path, release: H5Aclose)
    try HDF5.check(
      H5Awrite(attribute.value, type.value, bytes.isEmpty ? [0] : bytes), "write an attribute in", path)
  }

  /// Where a contiguous dataset's bytes begin in the file; nil if it has none.
  ///
  /// - Throws: never for datasets created here.
  public func byteOffset(of dataset: Dataset) throws(CheckpointError) -> Int? {
    try HDF5.exclusively { () throws(CheckpointError) in
      let address = H5Dget_offset(dataset.identifier.value)
      return address == wb_h5_undefined_address() ? nil : Int(address)
    }
  }

  /// Appends an encoded chunk.
  ///
  /// - Parameters:
  ///   - start: the indices of its first element.
  ///   - bytes: as they are to stand in the file.
  ///   - skippedFilters: a bit for each filter that was not applied, the first filter's lowest.
  ///   - dataset: a chunked one.
  /// - Returns: where it stands in the file.
  /// - Throws: `inputOutput` or `noSpace`.
  public func writeChunk(
    at start: [Int], _ bytes: UnsafeRawBufferPointer, skippedFilters: UInt32, in dataset: Dataset
  ) throws(CheckpointError) -> Int {
    try HDF5.exclusively { () throws(CheckpointError) in
      let offset = start.map { hsize_t($0) }
      try HDF5.check(
        H5Dwrite_chunk(
          dataset.identifier.value, wb_h5_default(), skippedFilters, offset, bytes.count,
          bytes.baseAddress), "write a chunk to", path)
      var mask: UInt32 = 0
      var address: haddr_t = 0
      var size: hsize_t = 0
      try HDF5.check(
        H5Dget_chunk_info_by_coord(dataset.identifier.value, offset, &mask, &address, &size),
        "find a chunk in", path)
      return Int(address)
    }
  }

  /// Writes what the library still holds and closes the file. All datasets must have been let go.
  ///
  /// - Throws: `inputOutput` or `noSpace`.
  public func close() throws(CheckpointError) {
    try HDF5.exclusively { () throws(CheckpointError) in
      guard let file else { return }
      group = nil
      try HDF5.check(H5Fflush(file.value, H5F_SCOPE_LOCAL), "write", path)
      self.file = nil
    }
  }

  /// Creates a file of relative external links, one for each dataset, so that one file opens all volumes.
  ///
  /// - Parameters:
  ///   - path: of the file to create.
  ///   - links: names in `/tensors`, and the volumes that hold them.
  /// - Throws: `inputOutput`.
  public static func createLinks(
    _ path: String, _ links: [(linkName: String, volume: String)]
  ) throws(CheckpointError) {
    let file = try HDF5Volume(creating: path)
    try HDF5.exclusively { () throws(CheckpointError) in
      guard let group = file.group else { return }
      for (name, volume) in links {
        try HDF5.check(
          H5Lcreate_external(
            volume, "/tensors/\(name)", group.value, name, wb_h5_default(), wb_h5_default()),
          "create a link in", path)
      }
    }
    try file.close()
  }
}
