import CheckpointFormats
import Dispatch
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Reading stores that were made by hand, and refusing those whose parts don't fit.
@Suite struct StoreReaderTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private typealias Tensor = HandMadeStore.Tensor
  private static let filterLists: [[StoreManifest.Filter]] = [
    [.shuffle, .zstd], [.zstd], [.shuffle], [],
  ]

  /// Shapes with their chunks: rows, parts of rows, one element, edges that are full and others.
  private static let cuts: [(DType, Shape, [Int])] = [
    (.bf16, [10, 37], [3, 37]), (.f32, [5, 39], [1, 14]), (.u8, [4, 3, 45], [1, 2, 45]),
    (.f64, [11], [4]),
    (.i16, [2, 2, 3, 44], [1, 1, 2, 44]), (.c64, [3, 5], [1, 1]), (.f16, [6, 1], [4, 1]),
    (.f4, [7, 4], [5]), (.f6e2m3, [4, 7], [6]), (.f32, [1, 1, 6], [1, 1, 4]),
  ]

  private static let tensors: [Tensor] = {
    var random = FixedRandom(seed: 21)
    var tensors: [Tensor] = []
    for (number, (dtype, shape, chunk)) in cuts.enumerated() {
      let byteCount = dtype.byteCount(elementCount: shape.elementCount) ?? 0
      let type = TensorType(dtype, shape)
      tensors.append(Tensor("whole\(number)", type, .contiguous, random.bytes(byteCount)))
      for (place, filters) in filterLists.enumerated() {
        // So few different bytes that most chunks shrink.
        let bytes = random.bytes(byteCount).map { $0 & 1 }
        tensors.append(Tensor("chunked\(number).\(place)", type, .chunked(chunk, filters), bytes))
      }
    }
    tensors.append(Tensor("scalar", TensorType(.f32, []), .contiguous, [1, 2, 3, 4]))
    tensors.append(Tensor("empty", TensorType(.f32, [3, 0]), .contiguous, []))
    return tensors
  }()

  /// Every third chunk leaves out what it can.
  private static func made() throws -> HandMadeStore {
    try HandMadeStore(tensors) { position, index in
      guard (position + index) % 3 == 0, case .chunked(_, let filters) = tensors[position].encoding
      else { return 0 }
      return filters.count == 2 ? 1 + index % 3 : 1 << filters.count - 1
    }
  }

  @Test func givesAllBytesOfAllLayouts() throws {
    try Self.made().write(workspace)
    let reader = try Source(workspace.path("made.store")).reader
    for (position, tensor) in Self.tensors.enumerated() {
      #expect(try reader.contents(position) == tensor.bytes, "\(tensor.name) \(tensor.encoding)")
    }
  }

  @Test func givesAnyRegionOfAllLayouts() throws {
    try Self.made().write(workspace)
    let reader = try Source(workspace.path("made.store")).reader
    let plain = try MemoryReader(Self.tensors.map { ($0.name, $0.type, $0.bytes) })
    var random = FixedRandom(seed: 22)
    func part(_ count: Int) -> Range<Int> {
      let start = Int.random(in: 0..<count, using: &random)
      return start..<Int.random(in: start...count, using: &random)
    }
    for (position, tensor) in Self.tensors.enumerated() where !tensor.bytes.isEmpty {
      let geometry = tensor.type.geometry
      for _ in 0..<20 {
        let region = MatrixRegion(rows: part(geometry.rows), columns: part(geometry.columns))
        let found = try reader.contents(position, region)
        #expect(try found == plain.contents(position, region), "\(tensor.name) \(region)")
      }
    }
  }

  @Test func isReadByManyThreadsAtOnce() throws {
    try Self.made().write(workspace)
    let reader = try Source(workspace.path("made.store")).reader
    let failures = Failures()
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      for step in Self.tensors.indices {
        let position = (step * 7 + thread * 5) % Self.tensors.count
        if (try? reader.contents(position)) != Self.tensors[position].bytes {
          failures.add("\(Self.tensors[position].name)")
        }
      }
    }
    #expect(failures.all.isEmpty)
  }

  // MARK: Parts that don't fit

  private static let sample = [
    Tensor("a", TensorType(.bf16, [10, 8]), .chunked([4, 8], [.shuffle, .zstd]), bytes(160)),
    Tensor("b", TensorType(.f32, [9]), .contiguous, bytes(36)),
  ]

  private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 5) } }

  /// The error of opening a store after a change of what its parts say, or else of reading it.
  private func error(_ change: (inout StoreEditor) throws -> Void) throws -> CheckpointError? {
    var editor = try HandMadeStore(Self.sample).write(workspace)
    #expect(try failure(workspace.path("made.store")) == nil)
    try change(&editor)
    try editor.write(measuresVolumes: false)
    return try failure(workspace.path("made.store"))
  }

  private static func chunk(
    _ old: StoredChunk, at byteOffset: Int? = nil, count: Int? = nil, mask: Int? = nil
  ) -> StoredChunk {
    StoredChunk(
      byteOffset: byteOffset ?? old.byteOffset, byteCount: count ?? old.byteCount,
      filterMask: mask ?? old.filterMask, checksum: old.checksum)
  }

  @Test func refusesChunksThatCanNotBeThere() throws {
    let changes: [(StoredChunk) -> StoredChunk] = [
      { Self.chunk($0, at: 1_000_000) }, { Self.chunk($0, at: Int.max) },
      { Self.chunk($0, count: Int.max) }, { Self.chunk($0, at: Int.max, count: Int.max) },
      { Self.chunk($0, count: 65) }, { Self.chunk($0, mask: 4) }, { Self.chunk($0, mask: 7) },
      { Self.chunk($0, mask: Int.max) }, { Self.chunk($0, mask: 3) },
    ]
    for (number, change) in changes.enumerated() {
      let error = try error { $0.chunks[0][1] = change($0.chunks[0][1]) }
      #expect(error?.code == .malformed, "\(number)")
      #expect(error?.tensor == "a" && error?.file == "weights-00001.h5")
      #expect(error?.message.contains("chunk 2 of 3") == true)
    }
    for change in changes + [{ Self.chunk($0, count: 35) }, { Self.chunk($0, mask: 1) }] {
      let error = try error { $0.chunks[1][0] = change($0.chunks[1][0]) }
      #expect(error?.code == .malformed && error?.tensor == "b")
    }
  }

  @Test func refusesAnotherNumberOfChunks() throws {
    for count in [0, 1, 2, 4] {
      let error = try error { editor in
        let all = editor.chunks[0] + editor.chunks[0]
        editor.chunks[0] = Array(all.prefix(count))
      }
      #expect(error?.code == .malformed && error?.tensor == "a")
    }
  }

  @Test func refusesATableOfOtherTensors() throws {
    let path = workspace.path("made.store")
    func error(_ tensors: (StoreEditor) -> [(name: String, chunks: [StoredChunk])]) throws
      -> CheckpointError?
    {
      var editor = try HandMadeStore(Self.sample).write(workspace)
      let table = ChunkTable.text(tensors(editor))
      try workspace.write("made.store/chunks.json", Data(table))
      editor.manifest.chunkTable = .init(name: "chunks.json", contents: table)
      try workspace.write("made.store/store.json", Data(editor.manifest.text))
      return try failure(path)
    }
    #expect(try error { [("a", $0.chunks[0]), ("b", $0.chunks[1])] } == nil)
    for tensors: (StoreEditor) -> [(name: String, chunks: [StoredChunk])] in [
      { _ in [] }, { [("a", $0.chunks[0])] }, { [("b", $0.chunks[1]), ("a", $0.chunks[0])] },
      { [("a", $0.chunks[0]), ("B", $0.chunks[1])] },
      { [("a", $0.chunks[0]), ("b", $0.chunks[1]), ("c", [])] },
      { [("a", $0.chunks[0]), ("a", $0.chunks[0])] },
    ] {
      let error = try error(tensors)
      #expect(error?.code == .malformed && error?.file == "chunks.json")
    }
  }

  @Test(arguments: [
    ("store-chunks/v1", "store-chunks/v2"), ("[[", "[[-"), ("[[", "[[1."), ("[[", "[[\""),
    ("\"name\":\"b\"", "\"name\":\"b\",\"more\":1"), ("]}\n", "]"), ("]}\n", "]}\n{}"),
    ("\"chunks\"", "\"Chunks\""), ("[[", "[[99999999999999999999"), ("[[", "[[1,2],["),
  ])
  func refusesATableOfAnotherForm(_ original: String, _ replacement: String) throws {
    var editor = try HandMadeStore(Self.sample).write(workspace)
    let text = String(decoding: try workspace.contents("made.store/chunks.json"), as: UTF8.self)
    #expect(text.contains(original))
    let table = Array(text.replacingOccurrences(of: original, with: replacement).utf8)
    try workspace.write("made.store/chunks.json", Data(table))
    editor.manifest.chunkTable = .init(name: "chunks.json", contents: table)
    try workspace.write("made.store/store.json", Data(editor.manifest.text))
    let error = try failure(workspace.path("made.store"))
    #expect(error?.code == .malformed || error?.code == .unsupported)
    #expect(error?.file == "chunks.json")
  }

  @Test func refusesTensorsOfAnotherForm() throws {
    typealias Change = (StoreManifest.Tensor) -> StoreManifest.Tensor
    let changes: [Change] = [
      { $0.with(type: TensorType(.f32, [10, 8])) }, { $0.with(type: TensorType(.bf16, [10, 9])) },
      { $0.with(type: TensorType(.bf16, [1000, 8])) }, { $0.with(type: TensorType(.bf16, [80])) },
      { $0.with(type: TensorType(.f6e2m3, [3])) }, { $0.with(type: TensorType(.bf16, [0, 8])) },
      { $0.with(type: TensorType(.bf16, [Int.max / 16, 8])) },
      { $0.with(type: TensorType(.bf16, [Int.max, 1])) },
      { $0.with(type: TensorType(.bf16, Shape(Array(repeating: 1, count: 33)))) },
      { $0.with(volume: "weights-00002.h5") }, { $0.with(volume: "../a") },
      { $0.with(encoding: .contiguous) }, { $0.with(encoding: .chunked([4, 4], [.zstd])) },
      { $0.with(encoding: .chunked([], [.zstd])) }, { $0.with(name: "b") },
    ]
    for (number, change) in changes.enumerated() {
      let error = try error { $0.manifest.tensors[0] = change($0.manifest.tensors[0]) }
      // The first fits the table, but the chunks don't decode to it.
      #expect(error?.code == (number == 0 ? .corrupt : .malformed), "\(number)")
    }
  }

  /// What nobody says that it was decoded to is told by size and digest only.
  @Test func refusesChunksThatDecodeToAnotherSize() throws {
    let right = try HandMadeStore.frame(Self.bytes(64))
    for bytes: [UInt8] in [
      right, try HandMadeStore.frame(Self.bytes(63)),
      try HandMadeStore.frame(Self.bytes(65)), try HandMadeStore.frame([]), [], [0x28, 0xb5, 0x2f],
      try HandMadeStore.frame(Self.bytes(32)) + (try HandMadeStore.frame(Self.bytes(32))),
    ] {
      var editor = try HandMadeStore(Self.sample).write(workspace)
      var volume = try workspace.contents("made.store/weights-00001.h5")
      editor.chunks[0][1] = StoredChunk(
        byteOffset: volume.count, byteCount: bytes.count, filterMask: 0, checksum: checksum(bytes))
      volume += bytes
      try workspace.write("made.store/weights-00001.h5", volume)
      try editor.write()
      let error = try failure(workspace.path("made.store"))
      if bytes == right {
        #expect(error == nil)
      } else {
        #expect(error?.code == .corrupt || error?.code == .malformed, "\(bytes.count)")
        #expect(error?.tensor == "a" && error?.description.contains("chunk 2 of 3") == true)
      }
    }
  }

  @Test func namesTensorAndChunkOfADamagedByte() throws {
    let editor = try HandMadeStore(Self.sample).write(workspace)
    for (position, index) in [(0, 0), (0, 2), (1, 0)] {
      try workspace.edit("made.store/weights-00001.h5") {
        $0[editor.chunks[position][index].byteOffset + 1] ^= 0x40
      }
      let error = try failure(workspace.path("made.store"))
      #expect(error?.code == .corrupt && error?.tensor == Self.sample[position].name)
      #expect(error?.file == "weights-00001.h5")
      let count = editor.chunks[position].count
      #expect(error?.message.contains("chunk \(index + 1) of \(count)") == true)
      try workspace.edit("made.store/weights-00001.h5") {
        $0[editor.chunks[position][index].byteOffset + 1] ^= 0x40
      }
    }
  }

  @Test func refusesVolumesThatAreGoneOrOfAnotherSize() throws {
    try HandMadeStore(Self.sample).write(workspace)
    let path = workspace.path("made.store")
    let volume = try workspace.contents("made.store/weights-00001.h5")
    for other in [volume.dropLast(), volume + Data([0]), Data()] {
      try workspace.write("made.store/weights-00001.h5", other)
      #expect(try failure(path)?.code == .corrupt)
      #expect(try failure(path)?.file == "weights-00001.h5")
    }
    try workspace.remove("made.store/weights-00001.h5")
    #expect(try failure(path)?.code == .missing)
    try workspace.folder("made.store/weights-00001.h5")
    #expect(try failure(path)?.code == .missing)
  }

  @Test func refusesAssetsThatAreGoneOrChanged() throws {
    var editor = try HandMadeStore(Self.sample).write(workspace)
    editor.manifest.assets = [.init(name: "config.json", contents: Array("{}".utf8))]
    try editor.write()
    let path = workspace.path("made.store")
    #expect(try failure(path)?.code == .missing)
    for (text, code) in [("{ }", CheckpointError.Code.corrupt), ("[]", .corrupt)] {
      try workspace.write("made.store/assets/config.json", Data(text.utf8))
      let error = try failure(path)
      #expect(error?.code == code && error?.file == "assets/config.json")
    }
    try workspace.write("made.store/assets/config.json", Data("{}".utf8))
    #expect(try failure(path) == nil)
  }
}

/// What went wrong in other threads.
private final class Failures: @unchecked Sendable {
  private let lock = NSLock()
  private var found: [String] = []
  func add(_ failure: String) { lock.withLock { found.append(failure) } }
  var all: [String] { lock.withLock { found } }
}
