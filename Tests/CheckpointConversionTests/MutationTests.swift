import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Small checkpoints with one flipped bit: `verify` finds each with a manifest, and without one those that the format lets it find.
@Suite struct MutationTests {
  struct Sample: Sendable, CustomTestStringConvertible {
    let name: String
    /// Files by their names, and the one that is changed.
    let files: [String: Data]
    let changed: String
    /// How many of a hundred flipped bits are found without a manifest, at least.
    let leastRate: Double
    /// Bytes whose flipped bits are all found without a manifest: tensors that have checksums.
    var checksummed: [Range<Int>] = []
    var testDescription: String { name }
  }

  private static func fixture(_ name: String) -> Data {
    Data((try? Fixtures.bytes(name)) ?? [])
  }

  private static let numbers: [Float] = (1...24).map { 1 / Float($0) }
  private static let bytes = numbers.withUnsafeBytes { Array($0) }

  private static var gguf: Data {
    var file = GGUFBuilder()
    file.add("general.architecture", "none")
    file.add("general.name", "small")
    file.add(tensor: "a", extents: [6, 4], bytes)
    return Data(file.contents)
  }

  private static func npz(deflated: Bool) -> Data {
    fixture("zip/\(deflated ? "new_seekable_deflated" : "new_seekable_stored").npz")
  }

  /// Where the bytes of a file's data lie.
  private static func places(of data: [UInt8], in file: Data) -> [Range<Int>] {
    file.range(of: Data(data)).map { [$0] } ?? []
  }

  private static func bundle(_ changed: String, leastRate: Double) -> Sample {
    let folder = "tensorflow/gpt2"
    let names = Fixtures.names(in: folder).filter {
      $0.hasPrefix("model.ckpt") || $0 == "checkpoint"
    }
    let files = Dictionary(uniqueKeysWithValues: names.map { ($0, fixture("\(folder)/\($0)")) })
    return Sample(
      name: "tensorflow \(changed)", files: files, changed: changed, leastRate: leastRate,
      checksummed: changed.contains(".data") ? [0..<(files[changed]?.count ?? 0)] : [])
  }

  static let samples: [Sample] = {
    let tensor = SampleTensor("a", [6, 4], floats: numbers)
    let safetensors = (try? SafetensorsSample([tensor]).fileContents) ?? Data()
    let array = npyFile("<f4", [6, 4], bytes)
    let stored = Data(ZipBuilder([ZipBuilder.Entry("a.npy", array)]).bytes)
    return [
      Sample(
        name: "safetensors", files: ["m.safetensors": safetensors], changed: "m.safetensors",
        leastRate: 40),
      Sample(name: "gguf", files: ["m.gguf": gguf], changed: "m.gguf", leastRate: 40),
      Sample(
        name: "npz", files: ["m.npz": stored], changed: "m.npz", leastRate: 90,
        checksummed: places(of: array, in: stored)),
      Sample(
        name: "npz, deflated", files: ["m.npz": npz(deflated: true)], changed: "m.npz",
        leastRate: 85),
      Sample(
        name: "torch", files: ["m.pt": fixture("pytorch/tensors/tied.pt")], changed: "m.pt",
        leastRate: 60),
      Sample(
        name: "torch, old", files: ["m.bin": fixture("pytorch/tensors/old_views.bin")],
        changed: "m.bin", leastRate: 55),
      Sample(
        name: "flax", files: ["m.msgpack": fixture("flax/variants/chunked.msgpack")],
        changed: "m.msgpack", leastRate: 15),
      bundle("model.ckpt.index", leastRate: 100),
      bundle("model.ckpt.data-00000-of-00002", leastRate: 100),
    ]
  }()

  private static let resources = EvaluationResources(memory: 1_000_000, threads: 1)

  private func isFound(_ path: String) throws -> Bool {
    try Verifier(path, OpenOptions(), Self.resources).run(against: nil).hasFindings(.error)
  }

  @Test(arguments: samples) func everyFlippedBitIsFound(_ sample: Sample) throws {
    let workspace = try Workspace()
    for (name, contents) in sample.files { try workspace.write("m/\(name)", contents) }
    let path = workspace.path(sample.files.count == 1 ? "m/\(sample.changed)" : "m")
    let contents = try #require(sample.files[sample.changed])
    #expect(try !isFound(path))
    let source = try Source(path, OpenOptions())
    let manifest = try CheckpointManifest(of: source, Self.resources, progress: .none)
    let target = ManifestFiles(source.place)
    let text = try JSONDocument.bytes(manifest)
    try target.write(manifest, text, withSums: false)
    #expect(try !isFound(path))
    let name = try #require(workspace.names(in: "m").first { $0.hasSuffix("manifest.json") })
    var (count, foundAlone) = (0, 0)
    // An odd step: all bits of bytes get their turn.
    let step = TestEffort.step(max(7, contents.count / 40))
    for place in stride(from: 0, to: contents.count * 8, by: step) {
      var flipped = contents
      flipped[place / 8] ^= 1 << (place % 8)
      try workspace.write("m/\(sample.changed)", flipped)
      try workspace.remove("m/\(name)")
      let isFoundAlone = try isFound(path)
      try workspace.write("m/\(name)", Data(text))
      #expect(try isFound(path), "bit \(place) with a manifest")
      if sample.checksummed.contains(where: { $0.contains(place / 8) }) {
        #expect(isFoundAlone, "bit \(place) of data with a checksum")
      }
      count += 1
      foundAlone += isFoundAlone ? 1 : 0
    }
    let rate = 100 * Double(foundAlone) / Double(count)
    if TestEffort.isExhaustive {
      print("\(sample.name): \(count) flipped bits, \(foundAlone) found without a manifest")
    }
    #expect(rate >= sample.leastRate, "\(foundAlone) of \(count)")
  }
}
