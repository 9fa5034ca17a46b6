import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointVerification

/// A file's digest and those of its tensors, made in one pass, are those of the bytes.
@Suite struct ManifestDigestsTests {
  /// Tensors shorter than a block of SHA-256, without bytes, and across several reads; their places are no multiples of a block.
  private static let byteCounts = [
    0, 1, 63, 64, 65, 7, 0, 2_500_001, 130, (1 << 20) - 9, 1 << 20, 3, 12_345, 0,
  ]

  @Test(arguments: PairedDigest.isAccelerated ? [false, true] : [false], [1, 2, 5])
  func areThoseOfTheBytes(_ isPaired: Bool, _ threads: Int) throws {
    let workspace = try Workspace()
    var random = FixedRandom(seed: 31)
    var expected: [String: Digest] = [:]
    var files: [String: String] = [:]
    for file in ["a", "b"] {
      let tensors = Self.byteCounts.enumerated().map { place, byteCount in
        SampleTensor("\(file)\(place)", "U8", [byteCount], Data(random.bytes(byteCount)))
      }
      for tensor in tensors { expected[tensor.name] = Digest(of: [UInt8](tensor.data)) }
      // One file is much larger: without pairs, several threads share it.
      let kept = file == "a" ? tensors : Array(tensors.prefix(6))
      for tensor in kept { files[tensor.name] = "\(file).safetensors" }
      try workspace.write("m/\(file).safetensors", SafetensorsSample(kept).fileContents)
    }
    try workspace.write(
      "m/model.safetensors.index.json", JSONEncoder().encode(["weight_map": files]))
    try workspace.write("m/empty.txt", Data())
    for name in ["a.safetensors", "m"] {
      let place = name == "m" ? workspace.path("m") : workspace.path("m/\(name)")
      let source = try Source(place, OpenOptions())
      let resources = EvaluationResources(memory: 64_000_000, threads: threads)
      let listed = try ListedFiles(of: source.place)
      let digests = try ManifestDigests(listed, source, resources, .none, isPaired: isPaired)
      #expect(
        digests.files.map(\.digest)
          == (try listed.names.map { try Digest(of: [UInt8](workspace.contents("m/\($0)"))) }))
      let tensors = source.checkpoint.tensors
      #expect(tensors.count >= Self.byteCounts.count)
      #expect(digests.tensors == tensors.map { expected[$0.name] })
    }
  }
}
