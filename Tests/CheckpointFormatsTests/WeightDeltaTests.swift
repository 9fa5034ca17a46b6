import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Trainers' updates, as numpy, zstandard and xxhash wrote them.
@Suite struct WeightDeltaTests {
  private static let folders = ["weight_v000001", "weight_v000002"]

  private func open(_ path: String) throws -> Source {
    var options = OpenOptions.forTests
    options.bases = GivenBases(
      [Fixtures.path("huggingface/gptj")], EvaluationResources(memory: 64_000_000, threads: 2))
    return try Source(path, options)
  }

  @Test(arguments: folders) func everyTensorIsTheForks(folder: String) throws {
    let reader = try open(Fixtures.path("weight-delta/\(folder)")).reader
    let expected = try JSONDecoder().decode(
      [String: String].self,
      from: Data(contentsOf: URL(filePath: Fixtures.path("weight-delta/expected.json"))))
    #expect(reader.checkpoint.tensors.count == expected.count)
    for (position, tensor) in reader.checkpoint.tensors.enumerated() {
      let digest = Digest(of: try reader.contents(position))
      #expect(digest.hexadecimal == expected[tensor.name], "\(tensor.name)")
    }
  }

  private func refusal(
    _ folder: String, _ edit: (Workspace) throws -> Void
  ) throws -> CheckpointError? {
    let workspace = try Workspace()
    _ = try workspace.copy(Fixtures.path("weight-delta/\(folder)"), to: "d")
    try edit(workspace)
    do {
      let reader = try open(workspace.path("d")).reader
      for position in reader.checkpoint.tensors.indices { _ = try reader.contents(position) }
      return nil
    } catch let error as CheckpointError { return error }
  }

  private func edit(_ workspace: Workspace, _ old: String, _ new: String) throws {
    try workspace.edit("d/model.safetensors.index.json") {
      $0 = Data(String(decoding: $0, as: UTF8.self).replacingOccurrences(of: old, with: new).utf8)
    }
  }

  @Test func needsABase() throws {
    let error = #expect(throws: CheckpointError.self) {
      try Source(Fixtures.path("weight-delta/weight_v000001"), .forTests)
    }
    #expect(error?.code == .usage)
    #expect(error?.hint?.contains("--base") == true)
  }

  @Test func blake3IsRefusedByName() throws {
    let error = try refusal("weight_v000001") { try edit($0, "xxh3-128", "blake3") }
    #expect(error?.code == .unsupported)
    #expect(error?.found?.contains("blake3") == true)
  }

  @Test(arguments: ["version", "base_version"]) func versionsAreNumbers(key: String) throws {
    for value in [
      "7", "\"\"", "\"1\"", "\"latest\"", "\"00000١\"", "\"-00001\"", "\"00000\\u001b[31m\"",
      "null",
      "\"\(String(repeating: "9", count: 19))\"",
    ] {
      let error = try refusal("weight_v000002") {
        try edit($0, "\"\(key)\":", "\"\(key)\": \(value), \"other\":")
      }
      #expect(error?.code == .malformed && error?.message.contains("'\(key)'") == true, "\(value)")
    }
    #expect(
      try refusal("weight_v000002") { try edit($0, "\"\(key)\":", "\"other\":") }?.code
        == .malformed)
    #expect(
      try refusal("weight_v000002") {
        try edit($0, "\"\(key)\":", "\"\(key)\": \"1000000\", \"other\":")
      } == nil)
  }

  @Test(arguments: folders) func aFlippedBitIsFound(folder: String) throws {
    let name = "model-00000-of-00002.safetensors"
    let size = try Data(
      contentsOf: URL(filePath: Fixtures.path("weight-delta/\(folder)/\(name)"))
    ).count
    for place in stride(from: 8, to: size * 8, by: TestEffort.step(401)) {
      let workspace = try Workspace()
      _ = try workspace.copy(Fixtures.path("weight-delta/\(folder)"), to: "d")
      try workspace.edit("d/\(name)") { $0[place / 8] ^= 1 << (place % 8) }
      guard let reader = try? open(workspace.path("d")).reader else { continue }
      let original = try open(Fixtures.path("weight-delta/\(folder)")).reader
      for position in reader.checkpoint.tensors.indices {
        guard let found = try? reader.contents(position) else { continue }
        #expect(try found == original.contents(position), "bit \(place)")
      }
    }
  }

  @Test func anotherBaseIsRefused() throws {
    // A root that isn't the base's.
    let error = try refusal("weight_v000002") {
      try edit(
        $0, "\"version\"",
        "\"weighbridge.base_root\": \"sha256:\(String(repeating: "0", count: 64))\", \"version\"")
    }
    #expect(error?.code == .corrupt)
  }
}
