import TensorModel

/// A module's parts.
struct QuantizedModule {
  /// What the names of all parts begin with, such as `model.layers.0.mlp.down_proj`.
  let name: String
  private let reader: any CheckpointReader

  init(_ name: String, _ reader: any CheckpointReader) {
    self.name = name
    self.reader = reader
  }

  /// The stored tensor of a part; nil if there is none.
  func tensor(_ part: String) -> TensorInfo? {
    reader.checkpoint.position(of: name + part).map { reader.checkpoint.tensors[$0] }
  }

  /// The type of a stored tensor of the checkpoint, by its full name; nil if there is none.
  func type(of name: String) -> TensorType? { reader.checkpoint.type(of: name) }

  /// A part as a value.
  ///
  /// - Throws: `missing`; `malformed` for one without elements, whose other extents may be of any size.
  func part(_ part: String) throws(CheckpointError) -> PackedValue {
    guard let tensor = tensor(part) else { throw missing(part) }
    guard tensor.shape.elementCount > 0 else {
      throw misfit(part, "a part of a quantized weight is empty", found: "\(tensor.shape)")
    }
    return PackedValue(.stored(tensor.name), TensorType(tensor.dtype, tensor.shape))
  }

  /// Which group each input is of, all of which are there; nil where each group is of so many neighbours.
  ///
  /// - Parameters:
  ///   - part: what has it.
  ///   - count: of inputs.
  ///   - groups: how many there are.
  ///   - size: of groups of neighbours; nil where these aren't known.
  ///   - unset: what stands for groups of neighbours, where it stands for each input.
  /// - Returns: the index.
  /// - Throws: `missing`; `malformed` for anything but I32, one for each input, and for groups that aren't there; what reading throws.
  func groupIndex(
    _ part: String, count: Int, groups: Int, size: Int?, unset: Int? = nil
  ) throws(CheckpointError) -> PackedValue? {
    let value = try self.part(part)
    guard value.type == TensorType(.i32, [count]),
      let position = reader.checkpoint.position(of: name + part)
    else {
      throw misfit(
        part, "not a group for each input", expected: "I32 [\(count)]",
        found: "\(value.type.dtype.rawValue) \(value.type.shape)")
    }
    var (place, isOrdered, isUnset) = (0, size != nil, unset != nil)
    try StoredRun(reader, position).forEach { (piece) throws(CheckpointError) in
      for group in piece.bindMemory(to: Int32.self) {
        let group = Int(Int32(littleEndian: group))
        isUnset = isUnset && group == unset
        guard isUnset || (0..<groups).contains(group) else {
          throw misfit(
            part, "input \(place) is of a group that isn't there",
            expected: "0 to \(groups - 1)", found: "\(group)")
        }
        isOrdered = isOrdered && !isUnset && group == place / (size ?? 1)
        place += 1
      }
      return true
    }
    return isOrdered || isUnset ? nil : value
  }

  /// The error about a part that isn't there.
  func missing(_ part: String) -> CheckpointError {
    CheckpointError(
      .missing, "a part of a quantized weight isn't there", tensor: name + part,
      hint: "the file is incomplete, or was changed: get it again")
  }

  /// The bytes of a small part; nil if there is none.
  ///
  /// - Throws: `malformed` for more bytes than the limit; what reading throws.
  func bytes(of part: String, limit: Int) throws(CheckpointError) -> [UInt8]? {
    guard let position = reader.checkpoint.position(of: name + part) else { return nil }
    let tensor = reader.checkpoint.tensors[position]
    guard tensor.byteCount <= limit else {
      throw CheckpointError(
        .malformed, "larger than such a part ever is", tensor: tensor.name,
        expected: "at most \(limit) bytes", found: "\(tensor.byteCount)")
    }
    return try head(of: part, byteCount: tensor.byteCount)
  }

  /// The first bytes of a part, as many as there are at most.
  ///
  /// - Throws: `missing`, what reading throws.
  func head(of part: String, byteCount limit: Int) throws(CheckpointError) -> [UInt8] {
    guard let position = reader.checkpoint.position(of: name + part) else {
      throw CheckpointError(.missing, "no such tensor in the source", tensor: name + part)
    }
    var bytes: [UInt8] = []
    try StoredRun(reader, position).forEach { piece in
      bytes += piece.prefix(limit - bytes.count)
      return bytes.count < limit
    }
    return bytes
  }

  /// The error about scales of groups that aren't those of the configuration.
  ///
  /// - Parameters:
  ///   - part: the scales.
  ///   - said: the configuration's size; nil where it says none.
  ///   - inputs: of the weight.
  ///   - groups: that have scales.
  /// - Returns: where groups of one size make the inputs, how to correct the configuration.
  func otherGroups(
    _ part: String, than said: Int?, inputs: Int, groups: Int
  ) -> CheckpointError {
    guard let said, groups > 0, inputs.isMultiple(of: groups) else {
      return misfit(
        part, "groups don't make the inputs",
        expected: "\(inputs) inputs in groups of \(said.map(String.init) ?? "one size")",
        found: counted(groups, "group"))
    }
    let size = inputs / groups
    return CheckpointError(
      .malformed, "groups of another size than the configuration says", tensor: name + part,
      expected: "groups of \(said) inputs", found: "\(counted(groups, "group")) of \(size)",
      hint:
        "correct 'group_size' in config.json to \(size), or use the configuration of these weights")
  }

  /// The error about codes whose width isn't that of the configuration.
  ///
  /// - Parameters:
  ///   - part: the codes.
  ///   - key: of the configuration.
  ///   - said: what it says, in bits.
  ///   - stored: the widths that shapes allow, at least one.
  /// - Returns: how to correct the configuration.
  func otherWidth(_ part: String, _ key: String, than said: Int, stored: [Int]) -> CheckpointError {
    let widths = stored.map(String.init).joined(separator: " or ")
    return CheckpointError(
      .malformed, "codes of another width than the configuration says", tensor: name + part,
      expected: "'\(key)': \(said)", found: "codes of \(widths) bits",
      hint:
        "correct '\(key)' in config.json to \(widths), or use the configuration of these weights")
  }

  /// An error about a part: that it isn't there, or what is wrong with it.
  func misfit(
    _ part: String, _ message: String, expected: String? = nil, found: String? = nil
  ) -> CheckpointError {
    if tensor(part) == nil { return missing(part) }
    return CheckpointError(
      .malformed, message, tensor: name + part, expected: expected, found: found,
      hint: "the file is damaged, or its configuration is another file's: get both again")
  }
}
