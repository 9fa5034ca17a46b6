import CHDF5
import Foundation
public import TensorModel

extension HDF5Catalogue {
  /// Lists a file.
  ///
  /// - Parameter path: of an HDF5 file; one that isn't trusted may end the process.
  /// - Throws: `malformed` if libhdf5 can't read it or there is too much in it.
  public init(path: String) throws(CheckpointError) {
    self.init()
    try HDF5.exclusively { () throws(CheckpointError) in
      var reader = HDF5CatalogueReader(path)
      try reader.read()
      datasets = reader.datasets
      problems = reader.problems
    }
  }
}

/// Reads a catalogue, within `HDF5.exclusively`.
private struct HDF5CatalogueReader {
  var datasets: [HDF5Catalogue.Dataset] = []
  var problems: [String] = []
  private var chunkCount = 0
  private let attempt: HDF5Attempt

  init(_ path: String) {
    attempt = HDF5Attempt(action: "read", path: path, code: .malformed)
  }

  private mutating func report(_ problem: String) {
    if problems.count < HDF5Catalogue.maximumProblemCount { problems.append(problem) }
  }

  private func excess(_ what: String, _ limit: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "too many \(what)", file: attempt.path, expected: "at most \(limit)")
  }

  // MARK: The file and its groups

  mutating func read() throws(CheckpointError) {
    let access = try attempt.own(H5Pcreate(wb_h5_file_access()), H5Pclose)
    // The library's own driver, whatever the environment names; no locks, which some file systems don't have.
    try attempt.check(H5Pset_fapl_sec2(access.value))
    try attempt.check(H5Pset_file_locking(access.value, false, true))
    try attempt.check(H5Pset_cache(access.value, 0, 0, 0, 0))
    try attempt.check(H5Pset_fclose_degree(access.value, H5F_CLOSE_STRONG))
    let file = try attempt.own(
      H5Fopen(attempt.path, wb_h5_read_only(), access.value), H5Fclose)
    let creation = try attempt.own(H5Fget_create_plist(file.value), H5Pclose)
    var userBlock: hsize_t = 0
    try attempt.check(H5Pget_userblock(creation.value, &userBlock))
    if userBlock != 0 { report("there is a user block of \(userBlock) bytes") }

    let known = [HDF5Storage.groupName, HDF5Storage.differenceGroupName]
    var found: Set<String> = []
    for link in try links(in: file.value) {
      if let name = known.first(where: { Array($0.utf8) == link.name }), link.isHard {
        found.insert(name)
      } else {
        report("'/\(link.text)' is not the group /\(HDF5Storage.groupName)")
      }
    }
    for name in known where found.contains(name) || name == HDF5Storage.groupName {
      let group = found.contains(name) ? try object(name, in: file.value) : nil
      guard let group, H5Iget_type(group.value) == H5I_GROUP else {
        report("there is no group /\(name)")
        continue
      }
      try checkIsLinkedOnce(group, "/\(name)")
      try readGroup(group, isDifference: name == HDF5Storage.differenceGroupName)
    }
  }

  private mutating func readGroup(
    _ group: HDF5Identifier, isDifference: Bool
  ) throws(CheckpointError) {
    var previous: [UInt8]?
    for link in try links(in: group.value) {
      let place = "'\(link.text)'"
      guard link.name != previous else {
        report("\(place) is there twice")
        continue
      }
      previous = link.name
      guard link.isHard else {
        report("\(place) is a soft, external or unknown link")
        continue
      }
      guard let linkName = String(validating: link.name, as: UTF8.self) else {
        report("\(place) is not UTF-8")
        continue
      }
      let object = try object(linkName, in: group.value)
      guard H5Iget_type(object.value) == H5I_DATASET else {
        report("\(place) is not a dataset")
        continue
      }
      try checkIsLinkedOnce(object, place)
      try readDataset(object, linkName, isDifference: isDifference, place)
    }
  }

  private func links(in group: hid_t) throws(CheckpointError) -> [HDF5Links.Link] {
    try HDF5Links(of: group, attempt, limit: HDF5Catalogue.maximumDatasetCount).all
  }

  private func object(_ name: String, in group: hid_t) throws(CheckpointError) -> HDF5Identifier {
    try attempt.own(H5Oopen(group, name, wb_h5_default()), H5Oclose)
  }

  private mutating func checkIsLinkedOnce(
    _ object: HDF5Identifier, _ place: String
  ) throws(CheckpointError) {
    let count = try attempt.check(wb_h5_link_count(object.value))
    if count != 1 { report("\(place) has \(count) links") }
  }

  // MARK: Datasets

  /// Looks at the layout first: libhdf5 opens other files to tell the extents of a virtual one.
  private mutating func readDataset(
    _ dataset: HDF5Identifier, _ linkName: String, isDifference: Bool, _ place: String
  ) throws(CheckpointError) {
    let creation = try attempt.own(H5Dget_create_plist(dataset.value), H5Pclose)
    guard try attempt.check(H5Pget_external_count(creation.value)) == 0 else {
      return report("\(place) lies in other files")
    }
    let layoutClass = H5Pget_layout(creation.value)
    guard layoutClass == H5D_CONTIGUOUS || layoutClass == H5D_CHUNKED else {
      return report("\(place) is neither contiguous nor chunked")
    }
    let type = try attempt.own(H5Dget_type(dataset.value), H5Tclose)
    var storedDTypes: [String] = []
    for dtype in DType.allCases {
      let own = try HDF5Storage.type(dtype, attempt)
      if try attempt.check(H5Tequal(type.value, own.value)) > 0 {
        storedDTypes.append(dtype.rawValue)
      }
    }
    if storedDTypes.isEmpty { report("\(place) has an unknown type") }

    let space = try attempt.own(H5Dget_space(dataset.value), H5Sclose)
    let spaceClass = H5Sget_simple_extent_type(space.value)
    guard spaceClass == H5S_SCALAR || spaceClass == H5S_SIMPLE else {
      return report("\(place) has no extents")
    }
    guard let extents = try extents(of: space) else {
      return report("\(place) is too large or has too many dimensions")
    }
    let layout =
      layoutClass == H5D_CHUNKED
      ? try chunked(
        dataset, space, creation, rank: extents.count, elementByteCount: H5Tget_size(type.value),
        place)
      : try contiguous(dataset)
    guard let layout else { return report("\(place) has an impossible layout") }
    datasets.append(
      HDF5Catalogue.Dataset(
        linkName: linkName, isDifference: isDifference,
        name: try text("name", of: dataset, place),
        dtype: try text("dtype", of: dataset, place, mayVary: isDifference),
        base: try text("base", of: dataset, place, mayVary: isDifference),
        coding: try text("coding", of: dataset, place, mayVary: isDifference),
        shape: try text("shape", of: dataset, place),
        storedDTypes: storedDTypes, extents: extents, layout: layout))
  }

  private func extents(of space: HDF5Identifier) throws(CheckpointError) -> [Int]? {
    let rank = Int(try attempt.check(H5Sget_simple_extent_ndims(space.value)))
    guard rank <= Shape.maximumRank else { return nil }
    var extents = [hsize_t](repeating: 0, count: rank)
    try attempt.check(H5Sget_simple_extent_dims(space.value, &extents, nil))
    return integers(extents)
  }

  private func contiguous(
    _ dataset: HDF5Identifier
  ) throws(CheckpointError) -> HDF5Catalogue.Layout? {
    guard let byteCount = Int(exactly: H5Dget_storage_size(dataset.value)) else { return nil }
    let address = H5Dget_offset(dataset.value)
    if address == wb_h5_undefined_address() {
      return .contiguous(offset: nil, byteCount: byteCount)
    }
    return Int(exactly: address).map { .contiguous(offset: $0, byteCount: byteCount) }
  }

  private mutating func chunked(
    _ dataset: HDF5Identifier, _ space: HDF5Identifier, _ creation: HDF5Identifier, rank: Int,
    elementByteCount: Int, _ place: String
  ) throws(CheckpointError) -> HDF5Catalogue.Layout? {
    var chunk = [hsize_t](repeating: 0, count: Shape.maximumRank)
    guard H5Pget_chunk(creation.value, Int32(chunk.count), &chunk) == rank,
      let chunkExtents = integers(Array(chunk.prefix(rank)))
    else { return nil }
    let filters = try filters(creation, elementByteCount: elementByteCount, place)

    var count: hsize_t = 0
    try attempt.check(H5Dget_num_chunks(dataset.value, space.value, &count))
    guard count <= HDF5Catalogue.maximumChunkCount - chunkCount else {
      throw excess("chunks", HDF5Catalogue.maximumChunkCount)
    }
    chunkCount += Int(count)
    var chunks: [HDF5Catalogue.Chunk] = []
    for index in 0..<count {
      var start = [hsize_t](repeating: 0, count: Shape.maximumRank)
      var mask: UInt32 = 0
      var address: haddr_t = 0
      var size: hsize_t = 0
      try attempt.check(
        H5Dget_chunk_info(dataset.value, space.value, index, &start, &mask, &address, &size))
      guard let start = integers(Array(start.prefix(rank))), let offset = Int(exactly: address),
        let byteCount = Int(exactly: size)
      else { return nil }
      chunks.append(
        HDF5Catalogue.Chunk(
          start: start, offset: offset, storedByteCount: byteCount, skippedFilters: mask))
    }
    return .chunked(extents: chunkExtents, filters: filters, chunks: chunks)
  }

  private mutating func filters(
    _ creation: HDF5Identifier, elementByteCount: Int, _ place: String
  ) throws(CheckpointError) -> [Int] {
    var filters: [Int] = []
    for index in 0..<UInt32(try attempt.check(H5Pget_nfilters(creation.value))) {
      var flags: UInt32 = 0
      var parameters: [UInt32] = [0]
      var parameterCount = 1
      let filter = try attempt.check(
        H5Pget_filter2(
          creation.value, index, &flags, &parameterCount, &parameters, 0, nil, nil))
      filters.append(Int(filter))
      if Int(filter) == HDF5Volume.shuffleFilter,
        parameterCount != 1 || Int(parameters[0]) != elementByteCount
      {
        report("\(place) is shuffled by another size than its elements'")
      }
    }
    return filters
  }

  private func integers(_ values: [hsize_t]) -> [Int]? {
    let integers = values.compactMap { Int(exactly: $0) }
    return integers.count == values.count ? integers : nil
  }

  // MARK: Attributes

  /// A text of variable length, as datasets of differences have them.
  private mutating func variableText(
    _ name: String, _ attribute: HDF5Identifier, _ type: HDF5Identifier, _ space: HDF5Identifier,
    _ place: String
  ) throws(CheckpointError) -> String? {
    guard H5Tget_cset(type.value) == H5T_CSET_UTF8,
      H5Sget_simple_extent_type(space.value) == H5S_SCALAR
    else {
      report("\(place) has an attribute '\(name)' of another kind")
      return nil
    }
    var pointer: UnsafeMutablePointer<CChar>?
    try attempt.check(H5Aread(attribute.value, type.value, &pointer))
    defer { H5Dvlen_reclaim(type.value, space.value, wb_h5_default(), &pointer) }
    let limit = HDF5Storage.maximumNameByteCount
    guard let pointer, case let length = strnlen(pointer, limit + 1), length <= limit,
      let text = String(
        validating: UnsafeRawBufferPointer(start: pointer, count: length), as: UTF8.self)
    else {
      report("\(place) has an attribute '\(name)' that is no text")
      return nil
    }
    return text
  }

  /// An attribute as `HDF5Volume` writes texts, nil if it isn't there; any other kind is a problem.
  private mutating func text(
    _ name: String, of object: HDF5Identifier, _ place: String, mayVary: Bool = false
  ) throws(CheckpointError) -> String? {
    guard try attempt.check(H5Aexists(object.value, name)) > 0 else { return nil }
    let attribute = try attempt.own(
      H5Aopen(object.value, name, wb_h5_default()), H5Aclose)
    let type = try attempt.own(H5Aget_type(attribute.value), H5Tclose)
    let space = try attempt.own(H5Aget_space(attribute.value), H5Sclose)
    if mayVary, H5Tget_class(type.value) == H5T_STRING,
      try attempt.check(H5Tis_variable_str(type.value)) > 0
    {
      return try variableText(name, attribute, type, space, place)
    }
    let byteCount = H5Tget_size(type.value)
    guard H5Tget_class(type.value) == H5T_STRING, H5Tis_variable_str(type.value) == 0,
      H5Tget_strpad(type.value) == H5T_STR_NULLTERM, H5Tget_cset(type.value) == H5T_CSET_UTF8,
      H5Sget_simple_extent_type(space.value) == H5S_SCALAR,
      (1...HDF5Storage.maximumNameByteCount + 1).contains(byteCount)
    else {
      report("\(place) has an attribute '\(name)' of another kind")
      return nil
    }
    var bytes = [UInt8](repeating: 0, count: byteCount)
    try attempt.check(H5Aread(attribute.value, type.value, &bytes))
    guard bytes.popLast() == 0, let text = String(validating: bytes, as: UTF8.self) else {
      report("\(place) has an attribute '\(name)' that is no text")
      return nil
    }
    return text
  }
}
