// flax_model.msgpack, as flax.serialization.to_bytes writes a tree of parameters
// (https://github.com/google/flax/blob/v0.7.5/flax/serialization.py):
//
//   1. one map, whose keys are texts; its values are such maps again, or arrays
//   2. an array is extension 1: an array of its shape, the name of its dtype and the bytes of its elements
//   3. a scalar of numpy's is extension 3, with the same contents and no extents
//   4. an array of more than 2^30 bytes is a map instead: `__msgpack_chunked_array__`: true; `shape`: its extents by "0", "1", …;
//      `chunks`: likewise, pieces of its elements in order, as arrays of one dimension

import FileContainers
import TensorModel

/// The arrays of a Flax file by their paths, keys joined by `/`, in the order of the file.
struct FlaxTree {
  private(set) var arrays: [(name: String, array: FlaxArray)] = []

  /// How deep maps may lie in maps.
  static let maximumDepth = 64
  /// How many arrays and chunks a file may have.
  static let maximumLeafCount = 65_536
  /// What all keys together may have, each as often as it stands in a path: names take memory that a file doesn't pay for.
  static let maximumNameByteCount = 16 << 20
  private static let longestKey = 1 << 10

  private static let arrayType = 1
  private static let scalarType = 3
  static let chunkedKey = "__msgpack_chunked_array__"

  /// A map that hasn't ended.
  private struct Map {
    /// Where its pairs, and those of maps in it, begin among the leaves.
    let firstLeaf: Int
    let pathByteCount: Int
    var pairsLeft: Int
    var keys: Set<ExactName> = []
    var isChunked = false
  }

  /// A value that isn't a map.
  private struct Leaf {
    let path: String
    /// How many keys lead to it.
    let depth: Int
    let value: Value
    let place: Int

    enum Value {
      case array(FlaxArray)
      case integer(Int)
      /// What no weight can be.
      case other(String)
    }
  }

  private let file: FileRegion
  private var cursor: MessagePackCursor
  private var leaves: [Leaf] = []
  private var maps: [Map] = []
  private var path = ""
  private var nameByteCount = 0

  /// Reads everything but the arrays' elements.
  ///
  /// - Throws: `malformed` if it isn't such a file, or two arrays have the same path; `unsupported` for other values; `inputOutput`.
  init(_ file: FileRegion) throws(CheckpointError) {
    self.file = file
    cursor = MessagePackCursor(file)
    guard file.byteCount > 0, case .map(let count) = try cursor.head() else {
      throw CheckpointError(
        .malformed, "not a tree of parameters as Flax writes it", byteOffset: 0,
        expected: "a map of MessagePack",
        found: file.byteCount == 0 ? "an empty file" : "another value")
    }
    maps = [Map(firstLeaf: 0, pathByteCount: 0, pairsLeft: count)]
    try readPairs()
    guard cursor.remaining == 0 else {
      throw CheckpointError(
        .malformed, "bytes after the end of the tree", byteOffset: cursor.position,
        found: "\(cursor.remaining)", hint: "the file was changed: get it again")
    }
    arrays.reserveCapacity(leaves.count)
    for leaf in leaves { arrays.append((leaf.path, try Self.weight(leaf))) }
  }

  // MARK: Maps

  private mutating func readPairs() throws(CheckpointError) {
    while var map = maps.popLast() {
      path = String(decoding: path.utf8.prefix(map.pathByteCount), as: UTF8.self)
      guard map.pairsLeft > 0 else {
        if map.isChunked { try joinChunks(of: map) }
        continue
      }
      map.pairsLeft -= 1
      let key = try key(&map)
      path += path.isEmpty ? key : "/\(key)"
      try readValue(key, &map)
    }
  }

  private mutating func key(_ map: inout Map) throws(CheckpointError) -> String {
    let place = cursor.position
    guard case .text(let byteCount) = try cursor.head(), (1...Self.longestKey).contains(byteCount)
    else {
      throw CheckpointError(
        .malformed, "a key of the tree is not a name", byteOffset: place,
        expected: "a text of 1 to \(Self.longestKey) bytes",
        found: path.isEmpty ? nil : "in '\(path)'")
    }
    let key = try cursor.text(byteCount)
    guard map.keys.insert(ExactName(key)).inserted else {
      throw CheckpointError(
        .malformed, "a key is there twice", byteOffset: place,
        found: "'\(path.isEmpty ? key : "\(path)/\(key)")'",
        hint: "readers would disagree about which one counts; don't trust this file")
    }
    return key
  }

  /// Reads a pair's value; a map in it is put on top of the one that it lies in.
  private mutating func readValue(_ key: String, _ map: inout Map) throws(CheckpointError) {
    let place = cursor.position
    let depth = maps.count + 1
    do throws(CheckpointError) {
      switch try cursor.head() {
      case .map(let count):
        guard depth < Self.maximumDepth else {
          throw CheckpointError(
            .malformed, "maps lie too deep in maps", byteOffset: place,
            expected: "at most \(Self.maximumDepth) levels")
        }
        maps.append(map)
        maps.append(
          Map(firstLeaf: leaves.count, pathByteCount: path.utf8.count, pairsLeft: count))
        return
      case .boolean(true) where key == Self.chunkedKey: map.isChunked = true
      case .integer(let value): try add(.integer(value), depth, place)
      case .extension(let type, let byteCount):
        try add(try array(type, byteCount), depth, place)
      case .null: try add(.other("nil"), depth, place)
      case .boolean: try add(.other("a truth value"), depth, place)
      case .otherNumber: try add(.other("a number"), depth, place)
      case .text: throw Self.notAWeight("a text", place)
      case .bytes: throw Self.notAWeight("bytes without a shape", place)
      case .array: throw Self.notAWeight("a list", place)
      }
    } catch { throw error.in(tensor: path) }
    maps.append(map)
  }

  private mutating func array(
    _ type: Int, _ byteCount: Int
  ) throws(CheckpointError) -> Leaf.Value {
    let place = cursor.position
    guard type == Self.arrayType || type == Self.scalarType else {
      throw CheckpointError(
        .unsupported, "a value of an extension that isn't read", byteOffset: place,
        expected: "extension \(Self.arrayType), an array", found: "extension \(type)")
    }
    let array = try FlaxArray(&cursor, in: file, byteCount: byteCount)
    guard type == Self.arrayType || array.shape.rank == 0 else {
      throw CheckpointError(
        .malformed, "a scalar with extents", byteOffset: place, found: "\(array.shape)")
    }
    return .array(array)
  }

  private mutating func add(
    _ value: Leaf.Value, _ depth: Int, _ place: Int
  ) throws(CheckpointError) {
    nameByteCount += path.utf8.count
    guard leaves.count < Self.maximumLeafCount, nameByteCount <= Self.maximumNameByteCount else {
      throw CheckpointError(
        .unsupported, "too many arrays, or too long names", byteOffset: place,
        expected:
          "at most \(Self.maximumLeafCount) arrays and chunks, and \(Self.maximumNameByteCount) bytes of names"
      )
    }
    leaves.append(Leaf(path: path, depth: depth, value: value, place: place))
  }

  // MARK: Leaves

  private static func notAWeight(_ found: String, _ place: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "a weight is no array", byteOffset: place, expected: "an array", found: found,
      hint:
        "the file may hold a training state: restore it with Flax, and save its `params` alone")
  }

  private static func weight(_ leaf: Leaf) throws(CheckpointError) -> FlaxArray {
    switch leaf.value {
    case .array(let array): return array
    case .integer: throw notAWeight("a number", leaf.place).in(tensor: leaf.path)
    case .other(let found): throw notAWeight(found, leaf.place).in(tensor: leaf.path)
    }
  }

  /// Makes an array of what lies in a map that says that it is one.
  private mutating func joinChunks(of map: Map) throws(CheckpointError) {
    let parts = leaves[map.firstLeaf...]
    let place = parts.first?.place ?? cursor.position
    var extents: [Int: Int] = [:]
    var chunks: [Int: FlaxArray] = [:]
    do throws(CheckpointError) {
      guard !path.isEmpty else {
        throw CheckpointError(.malformed, "an array without a name", byteOffset: place)
      }
      for part in parts {
        let keys = part.path.utf8.dropFirst(map.pathByteCount + (map.pathByteCount > 0 ? 1 : 0))
          .split(separator: UInt8(ascii: "/"))
          .map { String(decoding: $0, as: UTF8.self) }
        guard part.depth == maps.count + 2, keys.count == 2, let number = Int(keys[1]),
          String(number) == keys[1]
        else { throw Self.notAChunk(part) }
        switch (keys[0], part.value) {
        case ("shape", .integer(let extent)): extents[number] = extent
        case ("chunks", .array(let array)): chunks[number] = array
        default: throw Self.notAChunk(part)
        }
      }
      let shape = try Shape(checking: Self.ordered(extents, "extent", place))
      let whole = try FlaxArray(chunks: Self.ordered(chunks, "chunk", place), shape: shape)
      leaves.removeSubrange(map.firstLeaf...)
      leaves.append(Leaf(path: path, depth: maps.count, value: .array(whole), place: place))
    } catch { throw error.in(tensor: path) }
  }

  private static func notAChunk(_ leaf: Leaf) -> CheckpointError {
    CheckpointError(
      .malformed, "a value that is no part of a chunked array", byteOffset: leaf.place,
      expected: "shape/N or chunks/N", found: "'\(leaf.path)'")
  }

  private static func ordered<Part>(
    _ parts: [Int: Part], _ what: String, _ place: Int
  ) throws(CheckpointError) -> [Part] {
    var ordered: [Part] = []
    for number in 0..<parts.count {
      guard let part = parts[number] else {
        throw CheckpointError(
          .malformed, "\(what) \(number) of a chunked array is not there", byteOffset: place,
          expected: "\(what)s 0 to \(parts.count - 1)",
          found: parts.keys.sorted().prefix(8).map(String.init).joined(separator: ", "))
      }
      ordered.append(part)
    }
    return ordered
  }
}
