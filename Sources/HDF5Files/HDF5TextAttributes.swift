import CHDF5
import Foundation
import TensorModel

/// Lists of texts that objects have as attributes, of fixed or variable length.
///
/// Within `HDF5.exclusively`.
struct HDF5TextAttributes {
  private let attempt: HDF5Attempt
  /// How many texts a list may have.
  private static let maximumCount = 65_536
  private static let maximumByteCount = 16 << 20
  private static let longestText = 4096

  init(_ attempt: HDF5Attempt) { self.attempt = attempt }

  /// A list of that name, or its parts in order, whose names are followed by 0, 1, …; nil if there is neither.
  ///
  /// - Throws: `malformed` for attributes of another kind.
  func list(_ name: String, of object: HDF5Identifier) throws(CheckpointError) -> [String]? {
    if try exists(name, object) { return try texts(name, object) }
    guard try exists("\(name)0", object) else { return nil }
    var all: [String] = []
    var part = 0
    while try exists("\(name)\(part)", object) {
      all += try texts("\(name)\(part)", object)
      guard all.count <= Self.maximumCount else { throw other("\(name)\(part)") }
      part += 1
    }
    return all
  }

  private func exists(_ name: String, _ object: HDF5Identifier) throws(CheckpointError) -> Bool {
    try attempt.check(H5Aexists(object.value, name)) > 0
  }

  private func other(_ name: String) -> CheckpointError {
    CheckpointError(.malformed, "the attribute '\(name)' is no list of names")
  }

  private func texts(_ name: String, _ object: HDF5Identifier) throws(CheckpointError) -> [String] {
    let attribute = try attempt.own(H5Aopen(object.value, name, wb_h5_default()), H5Aclose)
    let space = try attempt.own(H5Aget_space(attribute.value), H5Sclose)
    let found = H5Sget_simple_extent_npoints(space.value)
    guard found >= 0, found <= Self.maximumCount else { throw other(name) }
    let count = Int(found)
    // Keras writes an empty list as numpy makes it, of floats.
    if count == 0 { return [] }
    let type = try attempt.own(H5Aget_type(attribute.value), H5Tclose)
    guard H5Tget_class(type.value) == H5T_STRING else { throw other(name) }
    let isVariable = try attempt.check(H5Tis_variable_str(type.value)) > 0
    return isVariable
      ? try variable(name, attribute, type, space, count) : try fixed(name, attribute, type, count)
  }

  private func fixed(
    _ name: String, _ attribute: HDF5Identifier, _ type: HDF5Identifier, _ count: Int
  ) throws(CheckpointError) -> [String] {
    let length = H5Tget_size(type.value)
    guard length > 0, length <= Self.longestText, length * count <= Self.maximumByteCount else {
      throw other(name)
    }
    var bytes = [UInt8](repeating: 0, count: length * count)
    try attempt.check(H5Aread(attribute.value, type.value, &bytes))
    // Filled up with NULs, or with spaces as Fortran does.
    let padding = H5Tget_strpad(type.value) == H5T_STR_SPACEPAD ? UInt8(ascii: " ") : 0
    var texts: [String] = []
    for start in stride(from: 0, to: bytes.count, by: length) {
      var text = bytes[start..<start + length]
      if padding == 0 { text = text.prefix { $0 != 0 } }
      while let last = text.last, last == padding { text.removeLast() }
      texts.append(try self.text(Array(text), name))
    }
    return texts
  }

  private func variable(
    _ name: String, _ attribute: HDF5Identifier, _ type: HDF5Identifier, _ space: HDF5Identifier,
    _ count: Int
  ) throws(CheckpointError) -> [String] {
    var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
    try attempt.check(H5Aread(attribute.value, type.value, &pointers))
    defer { H5Dvlen_reclaim(type.value, space.value, wb_h5_default(), &pointers) }
    var texts: [String] = []
    for pointer in pointers {
      guard let pointer else { throw other(name) }
      let length = strnlen(pointer, Self.longestText + 1)
      let bytes = UnsafeRawBufferPointer(start: pointer, count: length)
      texts.append(try text(Array(bytes), name))
    }
    return texts
  }

  private func text(_ bytes: [UInt8], _ name: String) throws(CheckpointError) -> String {
    guard bytes.count <= Self.longestText, let text = String(validating: bytes, as: UTF8.self)
    else { throw other(name) }
    return text
  }
}
