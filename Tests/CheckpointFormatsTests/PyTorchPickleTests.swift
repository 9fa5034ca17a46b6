import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Pickles in archives of PyTorch's that its `torch.save` doesn't write.
@Suite struct PyTorchPickleTests: TorchFileTests {
  let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private let storage = [UInt8](0..<24)
  private let plain = TorchEntry(count: 6, [2, 3], strides: [3, 1])

  private func archive(_ value: [UInt8]) -> [UInt8] {
    TorchSample(Pickle.file(value), [("0", storage)]).bytes
  }

  @Test(
    arguments: [
      (Pickle.none, "None"), (Pickle.list(Pickle.none), "a list"), (Pickle.integer(1), "a number"),
      (Pickle.tuple(), "a tuple"), (Pickle.text("x"), "a text"),
      (TorchEntry(count: 6, [6], strides: [1]).pickle(), "a single tensor"),
      (Pickle.global("collections", "OrderedDict"), "an object"),
    ])
  func anythingElseThanADictIsRefused(_ value: [UInt8], _ word: String) {
    let error = #expect(throws: CheckpointError.self) { try open(archive(value)) }
    #expect(error?.code == .unsupported && error?.found == word)
  }

  @Test func namesMayNotBeThereTwice() {
    let entry = plain.pickle()
    refuses(archive(Pickle.dictionary([("w", entry), ("w", entry)])), "the same tensor name twice")
    let nested = Pickle.dictionary([("a.b", entry), ("a", Pickle.dictionary([("b", entry)]))])
    refuses(archive(nested), "the same tensor name twice")
    let numbers = Pickle.dictionary([
      (key: Pickle.integer(1), value: entry), (key: Pickle.text("1"), value: entry),
    ])
    refuses(archive(numbers), "the same tensor name twice")
  }

  /// In Python the last of equal keys is the one that counts.
  @Test func theLastOfEqualWrappersCounts() throws {
    let other = TorchEntry(count: 6, [6], strides: [1])
    let value = Pickle.dictionary([
      ("model", Pickle.dictionary([("w", plain.pickle())])),
      ("model", Pickle.dictionary([("v", other.pickle())])),
    ])
    #expect(try open(archive(value)).checkpoint.tensors.map(\.name) == ["v"])
  }

  @Test func keysThatAreNoTextMatterOnlyForTensors() throws {
    let harmless = Pickle.dictionary([
      (key: Pickle.tuple(Pickle.integer(1)), value: Pickle.integer(2)),
      (key: Pickle.text("w"), value: plain.pickle()),
    ])
    let findings = try open(archive(harmless)).checkpoint.findings
    #expect(findings.map(\.check) == ["not-a-tensor"])
    refuses(
      archive(Pickle.dictionary([(key: Pickle.none, value: plain.pickle())])),
      "no text", .unsupported)
  }

  @Test func circularDictsEnd() {
    for key in ["me", "model", "state_dict"] {
      let circle =
        Pickle.remembered([0x7d], at: 0) + Pickle.text("w") + plain.pickle() + [0x73]
        + Pickle.text(key) + [0x68, 0, 0x73]
      refuses(archive(circle), "lie in each other")
      let empty = Pickle.remembered([0x7d], at: 0) + Pickle.text(key) + [0x68, 0, 0x73]
      refuses(archive(empty), "lie in each other")
    }
    let list = Pickle.remembered([0x5d], at: 0) + [0x68, 0, 0x61]
    #expect(throws: Never.self) { try open(archive(Pickle.dictionary([("x", list)]))) }
  }

  /// Names in dicts in dicts, and keys of storages, would take far more memory than the file has bytes.
  @Test func longNamesThatAreRepeatedAreCounted() {
    let name = Pickle.remembered(
      Pickle.string([UInt8](repeating: 0x61, count: 100_000)), at: 0)
    let tensor = Pickle.remembered(plain.pickle(), at: 1)
    let entries =
      Pickle.text("t") + tensor
      + (0..<5000).flatMap { Pickle.text("\($0)") + Pickle.recalled(1) }
    let inner = [0x7d] + Pickle.mark + entries + [0x75]
    refuses(archive([0x7d] + name + inner + [0x73]), "far more objects")
    let siblings = Array(repeating: Pickle.recalled(0) + Pickle.none, count: 2000).joined()
    let wrapped = Pickle.text("model") + Pickle.dictionary([("w", plain.pickle())])
    let beside = [0x7d] + name + Pickle.none + [0x73] + Pickle.mark + siblings + wrapped + [0x75]
    refuses(archive(beside), "far more objects")
  }

  /// As `torch.save` writes them: what occurs again is recalled, and every container is remembered.
  @Test func manyViewsOfOneStorageAreNotTooMany() throws {
    let count = 60_000
    var shared: [[UInt8]: UInt32] = [:]
    var memo: UInt32 = 0
    func remember(_ value: [UInt8]) -> [UInt8] {
      defer { memo += 1 }
      return value + [0x72] + memo.littleEndianBytes
    }
    func once(_ value: [UInt8]) -> [UInt8] {
      if let place = shared[value] { return [0x6a] + place.littleEndianBytes }
      shared[value] = memo
      return remember(value)
    }
    let rebuild = Pickle.global("torch._utils", "_rebuild_tensor_v2")
    let storage = [
      Pickle.text("storage"), Pickle.global("torch", "FloatStorage"), Pickle.text("0"),
      Pickle.text("cpu"),
    ]
    let ordered = Pickle.global("collections", "OrderedDict")
    let one = Pickle.integer(1)
    var pickle: [UInt8] = [0x7d] + Pickle.mark
    for place in 0..<count {
      pickle += remember(Pickle.text("t\(place)")) + once(rebuild) + Pickle.mark
      pickle += Pickle.mark + storage.flatMap(once) + Pickle.integer(count)
      pickle += remember([0x74]) + [0x51] + Pickle.integer(place)
      pickle += one + remember([0x85]) + one + remember([0x85]) + [0x89]
      pickle += once(ordered) + [0x29] + remember([0x52]) + remember([0x74]) + remember([0x52])
    }
    pickle += [0x75]
    let sample = TorchSample(
      Pickle.file(pickle), [("0", [UInt8](repeating: 0, count: 4 * count))])
    let tensors = try open(sample.bytes).checkpoint.tensors
    #expect(tensors.count == count)
    #expect(tensors.last?.sharesStorageWith == "t0")
  }

  @Test(
    arguments: [
      Pickle.call(Pickle.global("collections", "OrderedDict"), Pickle.integer(1)),
      Pickle.call(Pickle.global("torch", "FloatStorage")),
      Pickle.call(Pickle.global("torch", "Size"), Pickle.integer(1)),
      Pickle.call(Pickle.global("torch._utils", "_rebuild_tensor_v2")),
      Pickle.call(Pickle.global("torch._utils", "_rebuild_parameter"), Pickle.none),
      Pickle.global("torch", "device") + Pickle.integers(Array(0...16)) + [0x52],
      Pickle.call(Pickle.none), Pickle.global("torch", "float32") + [0x29, 0x81],
      Pickle.global("collections", "OrderedDict") + Pickle.none + [0x52],
      Pickle.tuple(Pickle.text("module"), Pickle.none) + [0x51],
      Pickle.none + [0x51],
    ])
  func callsThatPyTorchDoesNotMakeAreRefused(_ value: [UInt8]) {
    let error = #expect(throws: CheckpointError.self) {
      try open(archive(Pickle.dictionary([("x", value)])))
    }
    #expect(error?.code == .malformed && error?.message.hasPrefix("data.pkl: ") == true)
    #expect(error?.byteOffset != nil)
  }

  @Test func attributesOfAnOrderedDictAreMetadataAtMost() throws {
    func dictionary(_ key: String) -> [UInt8] {
      Pickle.call(Pickle.global("collections", "OrderedDict"))
        + Pickle.dictionary([(key, Pickle.none)]) + [0x62]
    }
    #expect(throws: Never.self) { try open(archive(dictionary("_metadata"))) }
    refuses(archive(dictionary("__class__")), "sets the state", .unsupported)
    refuses(archive([0x7d, 0x7d, 0x62]), "sets the state", .unsupported)
  }

  @Test func flagsThatChangeValuesAreNotOverlooked() throws {
    func checks(_ metadata: [UInt8]) throws -> [String] {
      try open(archive(Pickle.dictionary([("w", plain.pickle(metadata))]))).checkpoint.findings
        .map(\.check)
    }
    #expect(try checks(Pickle.none) == [])
    #expect(try checks([0x7d]) == [])
    #expect(
      try checks(Pickle.dictionary([("neg", [0x88])])).contains("unreadable-tensor"))
  }
}
