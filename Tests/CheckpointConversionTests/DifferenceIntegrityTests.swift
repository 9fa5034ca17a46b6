import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Damage to a difference: found by `verify` without the base, and never turned into wrong tensors together with it.
@Suite struct DifferenceIntegrityTests {
  private let workspace: Workspace
  private let path: String
  private let fork: SafetensorsSample

  /// A difference with a tensor of each kind, as small as they get.
  init() throws {
    workspace = try Workspace()
    path = workspace.path("x.store")
    // Steps of an ulp here and there; enough bytes for a chunk.
    let old = (0..<4096).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    var new = old
    for place in stride(from: 0, to: 4096, by: 64) { new[place] ^= 1 }
    func sample(_ moved: [UInt8], _ name: String, _ plain: UInt8) -> SafetensorsSample {
      SafetensorsSample([
        SampleTensor("moved", "BF16", [32, 64], Data(moved)),
        SampleTensor(name, "F32", [3], Data(0..<12)),
        SampleTensor("plain", "U8", [5], Data(repeating: plain, count: 5)),
      ])
    }
    fork = sample(new, "renamed", 2)
    try workspace.write("base/model.safetensors", sample(old, "same", 1).fileContents)
    try workspace.write("fork/model.safetensors", fork.fileContents)
    try convertToStore(workspace.path("fork"), path) { [workspace] in
      $0.openOptions.bases = Self.bases(workspace)
    }
  }

  private static func bases(_ workspace: Workspace) -> GivenBases {
    GivenBases([workspace.path("base")], single)
  }

  private static let single = EvaluationResources(memory: 1_000_000, threads: 1)

  private static let files = [
    "chunks.json", "store.json", "weights-00001.h5", "weights.h5", "weighbridge-certificate.json",
  ]

  @Test func hasATensorOfEachKind() throws {
    let manifest = try StoreManifest(parsing: Array(workspace.contents("x.store/store.json")))
    let kinds = manifest.tensors.map { ($0.name, $0.isDifference, $0.encoding == .base) }
    #expect(kinds.filter { $0.1 }.map(\.0) == ["moved"])
    #expect(kinds.filter { $0.2 }.map(\.0) == ["renamed"])
    #expect(try workspace.snapshot(of: "x.store").keys.sorted() == Self.files.sorted())
  }

  @Test(arguments: files)
  func anyFlippedBitIsFoundAndHarmless(file: String) throws {
    let original = try workspace.contents("x.store/\(file)")
    for place in stride(from: 0, to: original.count * 8, by: TestEffort.step(777)) {
      var flipped = original
      flipped[place / 8] ^= 1 << (place % 8)
      try workspace.write("x.store/\(file)", flipped)
      let report = try verification(of: path, resources: Self.single)
      #expect(report.hasFindings(.error), "bit \(place)")
      let error = failure(
        of: request(path, workspace.path("out.safetensors"), resources: Self.single) {
          $0.force = true
          $0.openOptions.bases = Self.bases(workspace)
        })
      if error == nil {
        let back = try SafetensorsSample(parsing: workspace.contents("out.safetensors"))
        #expect(back.byName == fork.byName, "bit \(place)")
      }
    }
  }

  /// The frames that this tool writes have checksums, which tell without the base.
  @Test func flippedBitsOfAnUpdateAreFoundWithoutItsBase() throws {
    let next = SafetensorsSample(fork.tensors.map(Self.named))
    try workspace.write("next/model.safetensors", next.fileContents)
    let update = workspace.path("weight_v000001")
    try convert(workspace.path("next"), update) { [workspace] in
      $0.format = "weight-delta"
      $0.openOptions.bases = Self.bases(workspace)
    }
    let name = "weight_v000001/model-00000-of-00001.safetensors"
    let original = try workspace.contents(name)
    var missed = 0
    let data = 8 + Int(original[0]) + Int(original[1]) << 8
    for place in stride(from: data * 8, to: original.count * 8, by: TestEffort.step(41)) {
      var flipped = original
      flipped[place / 8] ^= 1 << (place % 8)
      try workspace.write(name, flipped)
      if try verification(of: update, resources: Self.single).hasFindings(.error) { continue }
      // Some bits of a frame's header say nothing, or ask for a larger window: what is decoded is the same.
      try convert(update, workspace.path("out.safetensors"), resources: Self.single) {
        $0.force = true
        $0.openOptions.bases = Self.bases(workspace)
      }
      let back = try SafetensorsSample(parsing: workspace.contents("out.safetensors"))
      #expect(back.byName == next.byName, "bit \(place)")
      missed += 1
    }
    #expect(missed <= 3 * next.tensors.count)
  }

  /// A tensor of the fork as the base calls it.
  private static func named(_ tensor: SampleTensor) -> SampleTensor {
    var tensor = tensor
    if tensor.name == "renamed" { tensor.name = "same" }
    return tensor
  }
}
