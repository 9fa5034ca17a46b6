import CHDF5
import FileContainers
import TensorModel

/// A dataset of floats: its type, and where its bytes are; none of them is read.
///
/// Within `HDF5.exclusively`.
struct HDF5DatasetPlace {
  let dtype: DType
  let isBigEndian: Bool
  let shape: Shape
  private(set) var storage: DatasetCatalogue.Storage
  private let attempt: HDF5Attempt

  /// Looks at a dataset.
  ///
  /// The layout comes first: libhdf5 opens other files to tell the extents of a virtual dataset.
  ///
  /// - Parameters:
  ///   - dataset: an open one.
  ///   - attempt: for errors.
  ///   - chunksBefore: of other datasets, which count against the limit.
  /// - Throws: `unsupported` for what isn't read, `malformed` for what can't be.
  init(
    _ dataset: HDF5Identifier, _ attempt: HDF5Attempt, chunksBefore: Int
  ) throws(CheckpointError) {
    self.attempt = attempt
    let creation = try attempt.own(H5Dget_create_plist(dataset.value), H5Pclose)
    let layout = H5Pget_layout(creation.value)
    guard layout == H5D_CONTIGUOUS || layout == H5D_CHUNKED else {
      throw CheckpointError(
        .unsupported,
        layout == H5D_VIRTUAL
          ? "a virtual dataset, whose values are in other files"
          : "a dataset of another layout than contiguous or chunked",
        hint: "copy it with h5py: dataset[...] into a new file")
    }
    guard try attempt.check(H5Pget_external_count(creation.value)) == 0 else {
      throw CheckpointError(
        .unsupported, "a weight's values are in other files, which aren't opened",
        hint: "copy it with h5py: dataset[...] into a new file")
    }
    let type = try attempt.own(H5Dget_type(dataset.value), H5Tclose)
    (dtype, isBigEndian) = try Self.float(type, attempt)
    let space = try attempt.own(H5Dget_space(dataset.value), H5Sclose)
    shape = try Self.shape(space, attempt)
    storage = .contiguous(offset: 0)
    if layout == H5D_CHUNKED {
      storage = try chunked(
        dataset, space, creation, limit: DatasetCatalogue.Limit.chunkCount - chunksBefore)
    } else {
      let address = H5Dget_offset(dataset.value)
      let isThere = address != wb_h5_undefined_address()
      guard isThere || shape.elementCount == 0 else { throw Self.neverWritten }
      guard let offset = isThere ? Int(exactly: address) : 0 else { throw Self.impossible }
      storage = .contiguous(offset: offset)
    }
  }

  private static let neverWritten = CheckpointError(
    .malformed, "a weight whose values were never written: HDF5 would read zeros",
    hint: "the program that saved it was stopped, or the file was made to mislead: get it again")
  private static let impossible = CheckpointError(.malformed, "a dataset with an impossible layout")

  // MARK: Types

  private static func float(
    _ type: HDF5Identifier, _ attempt: HDF5Attempt
  ) throws(CheckpointError) -> (DType, isBigEndian: Bool) {
    if H5Tget_class(type.value) == H5T_FLOAT {
      for dtype in [DType.f32, .f16, .bf16, .f64] {
        let own = try HDF5Storage.type(dtype, attempt)
        if try attempt.check(H5Tequal(type.value, own.value)) > 0 { return (dtype, false) }
        try attempt.check(H5Tset_order(own.value, H5T_ORDER_BE))
        if try attempt.check(H5Tequal(type.value, own.value)) > 0 { return (dtype, true) }
      }
    }
    throw CheckpointError(
      .unsupported, "a weight of a type that isn't read",
      expected: "a float of 16, 32 or 64 bits as IEEE has it, or bfloat16",
      found: kind(H5Tget_class(type.value)),
      hint: "weights are floats: convert it with h5py first")
  }

  private static func kind(_ type: H5T_class_t) -> String {
    switch type {
    case H5T_INTEGER: "integers"
    case H5T_FLOAT: "floats of another form"
    case H5T_STRING: "texts"
    case H5T_COMPOUND: "a compound type"
    case H5T_REFERENCE: "references"
    case H5T_VLEN: "runs of variable length"
    case H5T_ARRAY: "arrays"
    default: "another type"
    }
  }

  private static func shape(
    _ space: HDF5Identifier, _ attempt: HDF5Attempt
  ) throws(CheckpointError) -> Shape {
    let kind = H5Sget_simple_extent_type(space.value)
    guard kind == H5S_SCALAR || kind == H5S_SIMPLE else {
      throw CheckpointError(.unsupported, "a dataset without extents")
    }
    let rank = Int(try attempt.check(H5Sget_simple_extent_ndims(space.value)))
    guard rank <= Shape.maximumRank else { throw impossible }
    var extents = [hsize_t](repeating: 0, count: rank)
    try attempt.check(H5Sget_simple_extent_dims(space.value, &extents, nil))
    return try Shape(checking: try integers(extents))
  }

  private static func integers(_ values: [hsize_t]) throws(CheckpointError) -> [Int] {
    let integers = values.compactMap { Int(exactly: $0) }
    guard integers.count == values.count else { throw impossible }
    return integers
  }

  // MARK: Chunks

  private func chunked(
    _ dataset: HDF5Identifier, _ space: HDF5Identifier, _ creation: HDF5Identifier, limit: Int
  ) throws(CheckpointError) -> DatasetCatalogue.Storage {
    var found = [hsize_t](repeating: 0, count: Shape.maximumRank)
    let rank = shape.rank
    guard rank > 0, H5Pget_chunk(creation.value, Int32(found.count), &found) == rank else {
      throw Self.impossible
    }
    let extents = try Self.integers(Array(found.prefix(rank)))
    guard extents.allSatisfy({ $0 > 0 }) else { throw Self.impossible }
    var options: UInt32 = 0
    try attempt.check(H5Pget_chunk_opts(creation.value, &options))
    guard options == 0 else {
      throw CheckpointError(
        .unsupported, "chunks at the edge that filters leave out",
        hint: "copy the file with h5repack")
    }
    let filters = try filters(creation)
    var written: hsize_t = 0
    try attempt.check(H5Dget_num_chunks(dataset.value, space.value, &written))
    // How many chunks there are in each dimension; nothing is allocated before as many are known to be written.
    let counts = zip(shape.dimensions, extents).map { ($0 - 1) / $1 + ($0 > 0 ? 1 : 0) }
    var expected = 1
    for count in counts {
      let (product, overflow) = expected.multipliedReportingOverflow(by: count)
      guard !overflow else { throw Self.neverWritten }
      expected = product
    }
    guard written == expected else { throw Self.neverWritten }
    let most = min(limit, DatasetCatalogue.Limit.chunkCountOfDataset)
    guard expected <= most else {
      throw CheckpointError(
        .unsupported, "too many chunks", expected: "at most \(most)", found: "\(expected)",
        hint: "copy the file with h5repack, and larger chunks")
    }
    let chunks = try chunks(dataset, space, extents, counts, expected)
    return .chunked(extents: extents, filters: filters, chunks: chunks)
  }

  /// All chunks, each once, in row-major order.
  private func chunks(
    _ dataset: HDF5Identifier, _ space: HDF5Identifier, _ extents: [Int], _ counts: [Int],
    _ expected: Int
  ) throws(CheckpointError) -> [DatasetCatalogue.Chunk] {
    var chunks = [DatasetCatalogue.Chunk?](repeating: nil, count: expected)
    for number in 0..<expected {
      var start = [hsize_t](repeating: 0, count: Shape.maximumRank)
      var mask: UInt32 = 0
      var address: haddr_t = 0
      var size: hsize_t = 0
      try attempt.check(
        H5Dget_chunk_info(
          dataset.value, space.value, hsize_t(number), &start, &mask, &address, &size))
      guard address != wb_h5_undefined_address(), size > 0, let offset = Int(exactly: address),
        let byteCount = Int(exactly: size)
      else { throw Self.neverWritten }
      var place = 0
      for (axis, first) in try Self.integers(Array(start.prefix(extents.count))).enumerated() {
        let (index, rest) = first.quotientAndRemainder(dividingBy: extents[axis])
        guard rest == 0, index < counts[axis] else { throw Self.impossible }
        place = place * counts[axis] + index
      }
      guard chunks[place] == nil else { throw Self.impossible }
      chunks[place] = .init(offset: offset, byteCount: byteCount, skippedFilters: mask)
    }
    return chunks.compactMap { $0 }
  }

  private func filters(
    _ creation: HDF5Identifier
  ) throws(CheckpointError) -> [DatasetCatalogue.Filter] {
    var filters: [DatasetCatalogue.Filter] = []
    let count = try attempt.check(H5Pget_nfilters(creation.value))
    guard count <= 32 else { throw Self.impossible }
    for index in 0..<UInt32(count) {
      var flags: UInt32 = 0
      var parameters: [UInt32] = [0]
      var parameterCount = 1
      let filter = try attempt.check(
        H5Pget_filter2(
          creation.value, index, &flags, &parameterCount, &parameters, 0, nil, nil))
      filters.append(
        .init(number: Int(filter), parameter: parameterCount > 0 ? Int(parameters[0]) : 0))
    }
    return filters
  }
}
