import FileContainers
import Foundation
import TensorModel
import Testing

/// A folder for one test, removed with it.
final class Scratch {
  let path: String
  private var count = 0

  init() throws {
    path = NSTemporaryDirectory() + "weighbridge-tests-\(UUID().uuidString)"
    try Directories.create(path)
  }

  deinit { try? Directories.removeTree(path) }

  /// A path in it that nothing has yet.
  func freshPath(_ suffix: String = "") -> String {
    count += 1
    return "\(path)/\(count)\(suffix)"
  }

  /// A file with these contents.
  func file(_ contents: [UInt8], _ suffix: String = "") throws -> InputFile {
    let path = freshPath(suffix)
    try OutputFile(creating: path, byteCount: 0).write(at: 0, contents)
    return try InputFile(path: path)
  }

  /// All of a file with these contents.
  func region(_ contents: [UInt8]) throws -> FileRegion { try file(contents).region }
}

/// The files in `fixtures/`.
enum ContainerFixtures {
  static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "fixtures").path

  static func bytes(_ name: String) throws -> [UInt8] {
    let region = try InputFile(path: "\(root)/\(name)").region
    return try region.bytes(at: 0, count: region.byteCount)
  }

  /// A file and what must become of it: `accept`, `warn` or `reject`.
  struct Case: CustomTestStringConvertible, Sendable {
    let path: String
    let verdict: String
    let reason: String
    var testDescription: String { "\(path): \(verdict), \(reason)" }
  }

  /// What `expected.json` in a folder says about the files beside it.
  static func cases(_ folder: String) -> [Case] {
    struct Entry: Decodable {
      let verdict: String
      let why: String
    }
    guard let data = FileManager.default.contents(atPath: "\(root)/\(folder)/expected.json"),
      let entries = try? JSONDecoder().decode([String: Entry].self, from: data)
    else { return [] }
    return entries.sorted { $0.key < $1.key }.map {
      Case(path: "\(folder)/\($0.key)", verdict: $0.value.verdict, reason: $0.value.why)
    }
  }
}

/// The same numbers in every run (SplitMix64).
struct FixedRandom: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// The bytes with one of them changed.
  mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    bytes[Int.random(in: bytes.indices, using: &self)] ^= UInt8.random(in: 1...255, using: &self)
    return bytes
  }
}

/// All bytes of something.
func allBytes(_ contents: some RandomAccessBytes) throws -> [UInt8] {
  try contents.bytes(at: 0, count: contents.byteCount)
}

extension FixedWidthInteger {
  /// The bytes of it, least significant first.
  var littleEndianBytes: [UInt8] {
    (0..<Self.bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) }
  }
}
