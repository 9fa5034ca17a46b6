import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// npz files as they are written, against numpy's.
@Suite struct NPZLayoutTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// A file with the given contents in its places, checksums filled in.
  static func file(_ layout: FileLayout, _ contents: [[UInt8]]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xee, count: layout.byteCount)
    for run in layout.frame {
      bytes.replaceSubrange(run.byteOffset..<run.byteOffset + run.bytes.count, with: run.bytes)
    }
    for (place, data) in zip(layout.places, contents) {
      bytes.replaceSubrange(place.byteOffset..<place.byteOffset + data.count, with: data)
    }
    for (place, data) in zip(layout.places, contents) {
      guard let room = place.checksum, let local = room.byteOffsets.first else { continue }
      // What precedes the data in the member is its head: the seed must be that one's.
      let name = Int(bytes[local + 12]) | Int(bytes[local + 13]) << 8
      let head = Array(bytes[local + 16 + name + 20..<place.byteOffset])
      #expect(checksum(head) == room.seed)
      let value = checksum(head + data).littleEndianBytes
      for offset in room.byteOffsets { bytes.replaceSubrange(offset..<offset + 4, with: value) }
    }
    return bytes
  }

  @Test(arguments: ["npz/small.npz", "npz/mesh_piece.npz"])
  func equalNumpysByteForByte(_ name: String) throws {
    let source = try Source(Fixtures.path(name))
    let tensors = source.checkpoint.tensors
    #expect(tensors.count > 1)
    let layout = try NPZLayout.layout(tensors.map { ($0.name, TensorType($0.dtype, $0.shape)) })
    let contents = try tensors.indices.map { try source.reader.contents($0) }
    #expect(Self.file(layout, contents) == (try Fixtures.bytes(name)))
  }

  private static let large: [(name: String, type: TensorType)] = [
    ("first", TensorType(.u8, [1 << 20])), ("over4", TensorType(.u8, [5 << 20, 1 << 10])),
    ("over2", TensorType(.u8, [3 << 20, 1 << 10])), ("last", TensorType(.u8, [1 << 20])),
  ]

  @Test func equalPythonsBeyondFourGigabytes() throws {
    let layout = try NPZLayout.layout(Self.large)
    let runs = try JSONDecoder().decode(
      [[Int]].self, from: Data(Fixtures.bytes("npz/large.json")))
    #expect(layout.frame.map { [$0.byteOffset, $0.bytes.count] } == runs)
    #expect(layout.frame.flatMap(\.bytes) == (try Fixtures.bytes("npz/large.frame")))
    #expect(layout.byteCount == runs.last?.reduce(0, +))
    for (place, run) in zip(layout.places, runs) { #expect(place.byteOffset == run[0] + run[1]) }
  }

  /// The file has holes in place of its elements.
  @Test func areReadBackBeyondFourGigabytes() throws {
    let layout = try NPZLayout.layout(Self.large)
    let path = try workspace.write("large.npz", Data())
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.truncate(atOffset: UInt64(layout.byteCount))
    for run in layout.frame {
      try handle.seek(toOffset: UInt64(run.byteOffset))
      try handle.write(contentsOf: Data(run.bytes))
    }
    try handle.close()
    let read = try Source(path).checkpoint.tensors
    #expect(read.map(\.name) == Self.large.map(\.name))
    #expect(read.map(\.shape) == Self.large.map(\.type.shape))
  }

  @Test(arguments: [
    DType.f4, .f6e2m3, .f6e3m2, .f8e4m3, .f8e5m2, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz,
  ])
  func refusesDTypesThatNumpyLacks(_ dtype: DType) throws {
    let error = #expect(throws: CheckpointError.self) {
      try NPZLayout.layout([("x", TensorType(dtype, [4]))])
    }
    #expect(error?.code == .unsupported && error?.tensor == "x")
    #expect(error?.found == dtype.rawValue && error?.hint?.contains("safetensors") == true)
  }

  @Test(arguments: [
    "", "a\0b", "/a", "a/../b", "../b", "a//b", "./a", "a\\b",
    String(repeating: "x", count: 65_532),
  ])
  func refusesNamesThatAreNotReadBack(_ name: String) {
    let error = #expect(throws: CheckpointError.self) {
      try NPZLayout.layout([("fine", TensorType(.f32, [])), (name, TensorType(.f32, []))])
    }
    #expect(error?.code == .unsupported && error?.tensor == name)
  }

  @Test func refusesNamesThatNumpyMixesUp() {
    let types = ["a", "b", "a.npy"].map { ($0, TensorType(.f32, [])) }
    let error = #expect(throws: CheckpointError.self) { try NPZLayout.layout(types) }
    #expect(error?.tensor == "a" && error?.message.contains("a.npy") == true)
  }

  @Test(arguments: [
    ".", "..", "a/b", "100%", "new\nline", "x.npy", "é", "e\u{301}", " ", "a/", "arr_0",
    String(repeating: "x", count: 65_531),
  ])
  func holdsEveryOtherName(_ name: String) throws {
    let layout = try NPZLayout.layout([(name, TensorType(.u8, [2]))])
    let path = try workspace.write("x.npz", Data(Self.file(layout, [[7, 9]])))
    let source = try Source(path)
    #expect(source.checkpoint.tensors.map { ExactName($0.name) } == [ExactName(name)])
    #expect(try source.reader.contents(0) == [7, 9])
  }

  @Test func ofNothingIsAnEmptyArchive() throws {
    let layout = try NPZLayout.layout([])
    #expect(layout.byteCount == 22)
    let path = try workspace.write("x.npz", Data(Self.file(layout, [])))
    #expect(try Source(path).checkpoint.tensors.isEmpty)
  }
}
