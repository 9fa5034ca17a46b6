// One volume of a store: an HDF5 file with a group /tensors and a dataset per tensor; those of differences to a base are in a group /differences. Written through libhdf5, never read by it here.
//
// * Superblock version 2, groups and object headers of HDF5 1.8: every release since 2008 reads it, and metadata have checksums. Volumes with
//   differences have superblock version 3 and the chunk indexes of HDF5 1.10.
// * No times, no fill values, no user block: the bytes depend on nothing but the calls.
// * All raw data begins at multiples of 64, so that contiguous tensors can be used in place.
// https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html

import CHDF5
import CHDF5Driver
public import FileContainers
public import TensorModel

/// A volume that is being written.
///
/// It may be shared between threads; calls of all volumes are made one at a time.
///
/// `@unchecked Sendable`: all that changes is used within `HDF5.exclusively` only.
public final class HDF5Volume: @unchecked Sendable {
  /// HDF5's own shuffle.
  public static let shuffleFilter = 2
  /// The registered number of zstd.
  ///
  /// See https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md.
  public static let zstdFilter = 32015

  /// Where raw data begins in a file: at multiples of this.
  public static let alignment = 64

  /// A dataset of a volume.
  public struct Dataset: Sendable {
    fileprivate let identifier: HDF5Identifier
    fileprivate let tensor: String
  }

  /// The file itself: what lies in it, between the library's calls, may be written past the library.
  public let output: OutputFile
  private let driver: DriverFile
  private var state: UnsafeMutablePointer<wb_volume_file> { driver.state }
  private var path: String { output.path }
  private var file: hid_t?
  private var group: HDF5Identifier?
  private var differenceGroup: HDF5Identifier?
  private let fate = HDF5FileFate()
  /// How many datasets were created.
  private var datasetCount = 0

  /// After so many datasets what the library holds of their groups is written.
  ///
  /// Closing a dataset makes a list of everything that isn't written yet, where 300,000 names are 7,000 pieces of the groups' indexes.
  private static let flushInterval = 512

  /// Creates a file that must not exist yet.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - alignsPages: whether datasets and chunks of 64 KiB and more begin at multiples of 4096.
  ///   - hasSmallIndexes: whether indexes of chunks take no more than they need, as releases since 1.10 (2016) read them, instead of 2.6 KB and more
  ///     for each tensor: where tensors become small, that counts.
  /// - Throws: `conflict` if it exists, `noSpace`, `missing` or `inputOutput`.
  public init(
    creating path: String, alignsPages: Bool = false, hasSmallIndexes: Bool = false
  ) throws(CheckpointError) {
    output = try OutputFile(creating: path, byteCount: 0)
    driver = DriverFile(output)
    try perform("create") { (attempt) throws(CheckpointError) in
      let access = try attempt.own(
        wb_volume_access(state, UInt64(Self.alignment), alignsPages), H5Pclose)
      let version = hasSmallIndexes ? H5F_LIBVER_V110 : H5F_LIBVER_V18
      try attempt.check(H5Pset_libver_bounds(access.value, version, version))
      // No chunks are cached, and bytes that others write are neither read ahead nor written back.
      try attempt.check(H5Pset_cache(access.value, 0, 0, 0, 0))
      try attempt.check(H5Pset_sieve_buf_size(access.value, 0))
      // A dataset's chunk index, 20 KB for each 64 chunks in memory, goes with it. A smaller cache would drop parts of the group, too, and
      // where those come to lie would depend on when.
      try attempt.check(H5Pset_evict_on_close(access.value, true))
      let creation = try attempt.own(H5Pcreate(wb_h5_file_creation()), H5Pclose)
      try attempt.check(H5Pset_obj_track_times(creation.value, false))
      let file = try attempt.check(
        H5Fcreate(path, wb_h5_exclusive(), creation.value, access.value))
      self.file = file
      group = try Self.createGroup(HDF5Storage.groupName, in: file, attempt)
    }
  }

  private static func createGroup(
    _ name: String, in file: hid_t, _ attempt: HDF5Attempt
  ) throws(CheckpointError) -> HDF5Identifier {
    let creation = try attempt.own(H5Pcreate(wb_h5_group_creation()), H5Pclose)
    try attempt.check(H5Pset_obj_track_times(creation.value, false))
    return try attempt.own(
      H5Gcreate2(file, name, wb_h5_default(), creation.value, wb_h5_default()), H5Gclose)
  }

  /// Gives a volume up that was not closed: nothing more is written.
  ///
  /// After a failed system call libhdf5 1.10 can't let go of a file: closing it, or a dataset of it, follows pointers that lead nowhere. What the
  /// library has of it stays until the process ends; the descriptor doesn't.
  deinit {
    var isReleased = true
    HDF5.releasing {
      driver.discard()
      group = nil
      differenceGroup = nil
      if fate.isGivenUp {
        isReleased = false
      } else if let file {
        isReleased = H5Fclose(file) >= 0
      }
    }
    // What the library has kept it may look at again.
    if isReleased { driver.release() }
  }

  /// Runs calls of the library; a failed system call among them is what the error tells.
  private func perform<Result>(
    _ action: String, tensor: String? = nil,
    _ body: (HDF5Attempt) throws(CheckpointError) -> Result
  ) throws(CheckpointError) -> Result {
    try HDF5.exclusively { () throws(CheckpointError) in
      do throws(CheckpointError) {
        defer { if driver.failure != nil { fate.giveUp() } }
        let result = try body(HDF5Attempt(action: action, path: path, fate: fate))
        guard let failure = driver.failure else { return result }
        throw failure
      } catch {
        throw (driver.failure ?? error).in(file: path, tensor: tensor)
      }
    }
  }

  private var openGroup: HDF5Identifier {
    get throws(CheckpointError) {
      guard let group else { throw CheckpointError(.usage, "the volume is closed", file: path) }
      return group
    }
  }

  /// The group of differences, which is there once it is needed.
  private func openDifferenceGroup(
    _ attempt: HDF5Attempt
  ) throws(CheckpointError) -> HDF5Identifier {
    _ = try openGroup
    if let differenceGroup { return differenceGroup }
    guard let file else { throw CheckpointError(.usage, "the volume is closed", file: path) }
    let group = try Self.createGroup(HDF5Storage.differenceGroupName, in: file, attempt)
    differenceGroup = group
    return group
  }

  // MARK: Datasets

  /// Creates a dataset.
  ///
  /// - Parameters:
  ///   - linkName: its name in its group, from `HDF5Storage.linkName(for:)`.
  ///   - tensor: the tensor's name, for an attribute.
  ///   - type: dtype and shape of what is stored.
  ///   - difference: what it says of itself where that is differences: it lies in `/differences` then, and what is never written is zero.
  ///   - encoding: of its chunks; nil for a contiguous dataset, whose bytes are allocated at once and never filled.
  /// - Returns: the dataset.
  /// - Throws: `unsupported` for a name that is too long, `noSpace` or `inputOutput`.
  public func createDataset(
    _ linkName: String, tensor: String, _ type: TensorType, difference: Difference? = nil,
    _ encoding: Encoding?
  ) throws(CheckpointError) -> Dataset {
    guard tensor.utf8.count <= HDF5Storage.maximumNameByteCount,
      linkName.utf8.count <= HDF5Storage.maximumLinkNameByteCount
    else {
      throw CheckpointError(
        .unsupported, "a tensor's name is too long for a store", file: path,
        expected: "at most \(HDF5Storage.maximumNameByteCount) bytes, "
          + "or \(HDF5Storage.maximumLinkNameByteCount) with / and % escaped",
        found: "\(tensor.utf8.count), \(linkName.utf8.count) escaped")
    }
    return try perform("create a dataset", tensor: tensor) { (attempt) throws(CheckpointError) in
      let group = try difference == nil ? openGroup : openDifferenceGroup(attempt)
      let extents = type.datasetExtents.map { hsize_t($0) }
      let space = try attempt.own(
        extents.isEmpty
          ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(extents.count), extents, nil), H5Sclose)
      let creation = try creationProperties(encoding, fills: difference != nil, attempt)
      let linkCreation = try Self.linkCreationProperties(attempt)
      let storage = try HDF5Storage.type(type.dtype, attempt)
      let dataset = try attempt.own(
        H5Dcreate2(
          group.value, linkName, storage.value, space.value, linkCreation.value, creation.value,
          wb_h5_default()), H5Dclose)
      try attempt.setFixedText("name", tensor, on: dataset)
      if let difference {
        try describe(difference, on: dataset, attempt)
      } else {
        try attempt.setFixedText("dtype", type.dtype.rawValue, on: dataset)
      }
      if type.dtype.blockElementCount > 1 {
        try attempt.setFixedText("shape", type.shape.canonicalText, on: dataset)
      }
      datasetCount += 1
      if let file, datasetCount % Self.flushInterval == 0 {
        try attempt.check(H5Fflush(file, H5F_SCOPE_LOCAL))
      }
      return Dataset(identifier: dataset, tensor: tensor)
    }
  }

  private func creationProperties(
    _ encoding: Encoding?, fills: Bool, _ attempt: HDF5Attempt
  ) throws(CheckpointError) -> HDF5Identifier {
    let creation = try attempt.own(H5Pcreate(wb_h5_dataset_creation()), H5Pclose)
    try attempt.check(H5Pset_obj_track_times(creation.value, false))
    // Where nothing is ever filled, readers get whatever their memory holds for a chunk that isn't there.
    try attempt.check(
      H5Pset_fill_time(creation.value, fills ? H5D_FILL_TIME_IFSET : H5D_FILL_TIME_NEVER))
    guard let encoding else {
      try attempt.check(H5Pset_layout(creation.value, H5D_CONTIGUOUS))
      try attempt.check(H5Pset_alloc_time(creation.value, H5D_ALLOC_TIME_EARLY))
      return creation
    }
    try attempt.check(
      H5Pset_chunk(
        creation.value, Int32(encoding.chunk.count), encoding.chunk.map { hsize_t($0) }))
    if encoding.shuffles { try attempt.check(H5Pset_shuffle(creation.value)) }
    // Optional, so that the library creates the dataset though it doesn't have the filter.
    var level = UInt32(truncatingIfNeeded: encoding.level)
    try attempt.check(
      H5Pset_filter(
        creation.value, H5Z_filter_t(Self.zstdFilter), UInt32(H5Z_FLAG_OPTIONAL), 1, &level))
    return creation
  }

  private static func linkCreationProperties(
    _ attempt: HDF5Attempt
  ) throws(CheckpointError) -> HDF5Identifier {
    let properties = try attempt.own(H5Pcreate(wb_h5_link_creation()), H5Pclose)
    try attempt.check(H5Pset_char_encoding(properties.value, H5T_CSET_UTF8))
    return properties
  }

  /// Sets what a dataset of differences says of itself: texts that programs read as such, without taking off what fills them up.
  ///
  /// They lie in the file's global heap, which is written at once: the library takes it for raw data, whose last place `writeChunk` looks at.
  private func describe(
    _ difference: Difference, on dataset: HDF5Identifier, _ attempt: HDF5Attempt
  ) throws(CheckpointError) {
    for (name, value) in [
      ("dtype", difference.dtype.rawValue), ("base", difference.base),
      ("coding", Difference.coding),
    ] {
      // A text of variable length ends with the first NUL.
      if value.utf8.contains(0) {
        try attempt.setFixedText(name, value, on: dataset)
      } else {
        try attempt.setVariableText(name, value, on: dataset)
      }
    }
    if let file { try attempt.check(H5Fflush(file, H5F_SCOPE_LOCAL)) }
  }

  // MARK: Contents

  /// Where a contiguous dataset's bytes begin in the file; nil if it has none.
  ///
  /// They may be written there past the library.
  ///
  /// - Throws: `usage` if the volume is closed.
  public func byteOffset(of dataset: Dataset) throws(CheckpointError) -> Int? {
    try perform("find a dataset", tensor: dataset.tensor) { (_) throws(CheckpointError) in
      _ = try openGroup
      let address = H5Dget_offset(dataset.identifier.value)
      return address == wb_h5_undefined_address() ? nil : Int(address)
    }
  }

  /// Writes all bytes of a contiguous dataset.
  ///
  /// - Parameters:
  ///   - bytes: as many as the dataset has.
  ///   - dataset: a contiguous one.
  /// - Throws: `noSpace` or `inputOutput`.
  public func writeContiguous(
    _ bytes: UnsafeRawBufferPointer, in dataset: Dataset
  ) throws(CheckpointError) {
    try perform("write a dataset", tensor: dataset.tensor) { (attempt) throws(CheckpointError) in
      _ = try openGroup
      let identifier = dataset.identifier.value
      precondition(H5Dget_storage_size(identifier) == bytes.count)
      if bytes.isEmpty { return }
      // The memory's type is the file's, so that nothing is converted.
      let type = try attempt.own(H5Dget_type(identifier), H5Tclose)
      try attempt.check(
        H5Dwrite(
          identifier, type.value, wb_h5_all(), wb_h5_all(), wb_h5_default(), bytes.baseAddress))
    }
  }

  /// Appends an encoded chunk, which must not have been written before.
  ///
  /// - Parameters:
  ///   - start: the indices of its first element.
  ///   - bytes: as they are to stand in the file; of a chunk at the edge, too, all elements.
  ///   - skippedFilters: a bit for each filter that was not applied, the first filter's lowest.
  ///   - dataset: a chunked one.
  /// - Returns: where it stands in the file.
  /// - Throws: `noSpace` or `inputOutput`.
  public func writeChunk(
    at start: [Int], _ bytes: UnsafeRawBufferPointer, skippedFilters: UInt32, in dataset: Dataset
  ) throws(CheckpointError) -> Int {
    try perform("write a chunk", tensor: dataset.tensor) { (attempt) throws(CheckpointError) in
      _ = try openGroup
      state.pointee.raw_byte_count = 0
      try attempt.check(
        H5Dwrite_chunk(
          dataset.identifier.value, wb_h5_default(), skippedFilters, start.map { hsize_t($0) },
          bytes.count, bytes.baseAddress))
      let offset = Int(state.pointee.raw_offset)
      precondition(
        state.pointee.raw_byte_count == bytes.count && offset % Self.alignment == 0,
        "a chunk was written twice")
      return offset
    }
  }

  // MARK: Ends

  /// Has the library write what it still holds, and let go of the file.
  ///
  /// Datasets can't be used any more. What was written isn't made durable: `output` does that.
  ///
  /// - Throws: `noSpace` or `inputOutput`; the file is given up then.
  public func close() throws(CheckpointError) {
    try perform("write") { (attempt) throws(CheckpointError) in
      guard let file else { return }
      group = nil
      differenceGroup = nil
      try attempt.check(H5Fflush(file, H5F_SCOPE_LOCAL))
      try attempt.check(H5Fclose(file))
      self.file = nil
    }
  }

  /// Creates a file of relative external links, one for each dataset, so that one file opens all volumes.
  ///
  /// - Parameters:
  ///   - path: of the file to create.
  ///   - links: names in their groups, the volumes that hold them, relative to the file's folder, and whether they are of differences.
  /// - Returns: the file, which isn't durable yet.
  /// - Throws: `conflict` if the file exists, `unsupported` for a name that is too long, `noSpace`, `missing` or `inputOutput`.
  public static func createLinks(
    _ path: String, _ links: [(linkName: String, volume: String, isDifference: Bool)]
  ) throws(CheckpointError) -> OutputFile {
    let file = try HDF5Volume(creating: path)
    try file.perform("create a link") { (attempt) throws(CheckpointError) in
      let group = try file.openGroup
      let linkCreation = try linkCreationProperties(attempt)
      for (name, volume, isDifference) in links {
        guard name.utf8.count <= HDF5Storage.maximumLinkNameByteCount,
          volume.utf8.count <= maximumVolumeNameByteCount
        else {
          throw CheckpointError(.unsupported, "a name is too long for a link", found: name)
        }
        let own = try isDifference ? file.openDifferenceGroup(attempt) : group
        let groupName =
          isDifference ? HDF5Storage.differenceGroupName : HDF5Storage.groupName
        try attempt.check(
          H5Lcreate_external(
            volume, "/\(groupName)/\(name)", own.value, name, linkCreation.value,
            wb_h5_default()))
      }
    }
    try file.close()
    return file.output
  }

  private static let maximumVolumeNameByteCount = 4096 - 64
}
