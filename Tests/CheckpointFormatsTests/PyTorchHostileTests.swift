import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Files that look like `torch.save`'s and are not.
@Suite struct PyTorchHostileTests: TorchFileTests {
  let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private let storage = [UInt8](0..<24)
  private func sample(_ entry: TorchEntry) -> TorchSample {
    TorchSample([("w", entry)], storage: storage)
  }
  private let plain = TorchEntry(count: 6, [2, 3], strides: [3, 1])

  @Test func theSampleItselfIsSound() throws {
    let reader = try open(sample(plain).bytes).reader
    #expect(try reader.contents(0) == storage)
    #expect(reader.checkpoint.findings.isEmpty)
  }

  // MARK: Views

  @Test(
    arguments: [
      (TorchEntry(count: 6, [2, 3], strides: [-3, 1]), "strides or offset"),
      (TorchEntry(count: 6, offset: -1, [2, 3], strides: [3, 1]), "strides or offset"),
      (TorchEntry(count: 6, [2, 3], strides: [3]), "strides or offset"),
      (TorchEntry(count: 6, [2, -3], strides: [3, 1]), "negative dimension"),
      (TorchEntry(count: 6, offset: 1, [2, 3], strides: [3, 1]), "beyond its storage"),
      (TorchEntry(count: 6, [2, 3], strides: [4, 1]), "beyond its storage"),
      (TorchEntry(count: 6, offset: .max, [1], strides: [1]), "strides or offset"),
      (TorchEntry(count: 6, [2, 3], strides: [.max, 1]), "strides or offset"),
      (TorchEntry(count: 6, [3], strides: [.max / 2 + 1]), "strides or offset"),
      (TorchEntry(count: 6, [.max, 3], strides: [0, 0]), "overflows"),
      (TorchEntry(count: 6, [.max / 2], strides: [0]), "too often"),
      (TorchEntry(count: 6, [1 << 31], strides: [0]), "too often"),
      (TorchEntry(count: .max, [2, 3], strides: [3, 1]), "impossible size"),
      (TorchEntry(count: -1, [2, 3], strides: [3, 1]), "no storage"),
      (TorchEntry(key: "../0", count: 6, [2, 3], strides: [3, 1]), "no storage"),
      (TorchEntry(key: "", count: 6, [2, 3], strides: [3, 1]), "no storage"),
      (TorchEntry(count: 7, [2, 3], strides: [3, 1]), "another size"),
      (TorchEntry(count: 5, [2, 2], strides: [2, 1]), "another size"),
      (TorchEntry(type: "DoubleStorage", count: 6, [2, 3], strides: [3, 1]), "another size"),
      (
        TorchEntry(
          count: 6, Array(repeating: 1, count: 33), strides: Array(repeating: 1, count: 33)),
        "arguments that it doesn't take"
      ),
    ])
  func viewsThatCanNotBeAreRefused(_ entry: TorchEntry, _ message: String) {
    refuses(sample(entry).bytes, message)
  }

  /// The stride of a single index means nothing, and may be as large as it likes.
  @Test(arguments: [Int.max, Int.max / 4 + 1, 1 << 62])
  func hugeStridesOfSingleIndicesAreHarmless(stride: Int) throws {
    let reader = try open(
      sample(TorchEntry(count: 6, [3, 1, 2], strides: [1, stride, 3])).bytes
    ).reader
    let expected = [0, 3, 1, 4, 2, 5].flatMap { storage[4 * $0..<4 * $0 + 4] }
    #expect(try reader.contents(0) == expected)
  }

  @Test(arguments: [
    TorchEntry(count: 6, [0, 3], strides: [3, 1]),
    TorchEntry(count: 6, offset: .max, [0], strides: [.max]),
    TorchEntry(count: 6, [1 << 20, 0, 1 << 20], strides: [.max, .max, 1]),
  ])
  func emptyViewsMayBeAnywhere(_ entry: TorchEntry) throws {
    let reader = try open(sample(entry).bytes).reader
    #expect(reader.checkpoint.tensors[0].byteCount == 0)
    #expect(try reader.contents(0).isEmpty)
  }

  @Test func aStorageHasOneTypeAndOneSize() {
    let others = [
      TorchEntry(type: "IntStorage", count: 6, [6], strides: [1]),
      TorchEntry(count: 5, [5], strides: [1]),
    ]
    for other in others {
      refuses(
        TorchSample([("a", plain), ("b", other)], storage: storage).bytes, "in two ways")
    }
  }

  @Test func anAddressMayBeAKey() throws {
    var entry = plain
    entry.key = "18446744073709551615"
    let pickle = Pickle.file(Pickle.dictionary([("w", entry.pickle())]))
    #expect(throws: Never.self) {
      try open(TorchSample(pickle, [("18446744073709551615", storage)]).bytes)
    }
    entry.key = String(repeating: "1", count: 21)
    refuses(sample(entry).bytes, "no storage")
  }

  // MARK: Archives

  @Test func recordsOfAnotherSizeOrMissingOnesAreRefused() {
    refuses(
      TorchSample(sample(plain).pickle, [("0", storage + [0])]).bytes, "another size")
    refuses(TorchSample(sample(plain).pickle, []).bytes, "is not there", .missing)
  }

  @Test func aWrongChecksumShowsWhenTheStorageIsRead() throws {
    var builder = sample(plain).builder
    builder.entries[1].crc ^= 1
    let reader = try open(builder.bytes).reader
    let error = #expect(throws: CheckpointError.self) {
      _ = try reader.contents(0)
      try reader.confirm(0)
    }
    #expect(error?.code == .corrupt && error?.tensor == "w" && error?.file == "x.bin")
    builder = sample(plain).builder
    builder.entries[0].crc ^= 1
    refuses(builder.bytes, "CRC", .corrupt)
  }

  @Test func whatDoesNotBelongIsRefusedOrSaid() throws {
    var second = sample(plain)
    second.others = [("other.pkl", Pickle.file(Pickle.none))]
    refuses(second.bytes, "second pickle")
    var longer = sample(plain)
    longer.pickle += Pickle.file(Pickle.none)
    refuses(longer.bytes, "bytes after the end of data.pkl")
    var order = sample(plain)
    order.others = [("byteorder", Array("middle".utf8))]
    refuses(order.bytes, "byte order")
    var script = sample(plain)
    script.others = [("code/x.py", [])]
    refuses(script.bytes, "TorchScript", .unsupported)
    var foreign = sample(plain)
    foreign.others = [("readme.txt", [1]), ("version", Array("3\n".utf8))]
    foreign.storages.append(("1", [1, 2]))
    let findings = try open(foreign.bytes).checkpoint.findings
    #expect(Set(findings.map(\.check)) == ["torch-foreign-member", "unused-storages"])
    #expect(findings.allSatisfy { $0.severity == .warning && $0.file == "x.bin" })
  }

  // MARK: Masks

  /// Rows that are all the same one: 64 bytes of file, 2^32 elements.
  @Test(arguments: [1 << 15, 1 << 16]) func masksOfRepeatedRowsCostNoMemory(size: Int) throws {
    let mask = TorchEntry(
      type: "BoolStorage", count: 24, [1, 1, size, size], strides: [0, 0, 0, 0])
    let source = try open(TorchSample([("h.0.attn.bias", mask)], storage: storage).bytes)
    #expect(try source.model().hasOtherMasks)
  }

  // MARK: Damage

  private static let legacy = ["old_views.bin", "views_legacy.bin", "dtypes_legacy.bin"]

  @Test(arguments: legacy) func everyCutOfALegacyFileIsRefused(name: String) throws {
    let bytes = try Fixtures.bytes("pytorch/tensors/\(name)")
    for end in stride(from: 0, to: bytes.count, by: 7) {
      #expect(throws: CheckpointError.self, "\(end)") { try open(Array(bytes[..<end])) }
    }
    refuses(bytes + [0], "bytes after the last storage")
  }

  private func readAll(_ bytes: [UInt8]) {
    guard let reader = try? open(bytes).reader else { return }
    for (position, tensor) in reader.checkpoint.tensors.enumerated()
    where tensor.byteCount < 1 << 20 { _ = try? reader.contents(position) }
  }

  @Test(arguments: legacy) func changedBytesOfALegacyFileNeverCrash(name: String) throws {
    let bytes = try Fixtures.bytes("pytorch/tensors/\(name)")
    var random = FixedRandom(seed: 7)
    for _ in 0..<300 { readAll(random.damaged(bytes)) }
  }

  @Test func changedBytesOfAPickleNeverCrash() {
    let turned = TorchEntry(count: 6, [3, 2], strides: [1, 3])
    let value = Pickle.dictionary([
      ("model", Pickle.dictionary([("a", plain.pickle()), ("b", turned.pickle(Pickle.none))])),
      ("others", Pickle.list(Pickle.integer(1), Pickle.tuple(Pickle.none))),
    ])
    let pickle = Pickle.file(value)
    var random = FixedRandom(seed: 8)
    for _ in 0..<600 {
      readAll(TorchSample(random.damaged(pickle), [("0", storage)]).bytes)
    }
  }
}
