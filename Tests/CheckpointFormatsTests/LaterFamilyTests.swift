import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@testable import ModelArchitectures

/// Families that are checked by their tensors and not run: names and shapes are those of transformers, in every spelling.
@Suite struct LaterFamilyTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func fixture(_ family: String) throws -> JSONValue {
    try JSONValue(parsing: Fixtures.bytes("later/\(family).json"))
  }

  /// A checkpoint of zeros with these names and shapes.
  private func model(_ family: String, _ spelling: String) throws -> Source {
    let fixture = try fixture(family)
    let tensors = try #require(fixture[spelling]?.members).map { member in
      let shape = (member.value.elements ?? []).compactMap(\.integer)
      return SampleTensor(
        member.key, "BF16", shape,
        Data(count: 2 * shape.reduce(1, *)))
    }
    try workspace.write("\(spelling)/model.safetensors", SafetensorsSample(tensors).fileContents)
    let configuration = try #require(fixture["config"]).documentText
    try workspace.write("\(spelling)/config.json", Data(configuration.utf8))
    return try Source(workspace.path(spelling))
  }

  @Test(arguments: Architectures.later.map(\.name), ["saved", "in_memory"])
  func areWholeInBothSpellings(_ family: String, _ spelling: String) throws {
    let source = try model(family, spelling)
    let contents = try source.model()
    #expect(contents.problems.isEmpty, "\(contents.problems.prefix(3))")
    // Of zeros head and embedding are equal.
    #expect(
      contents.findings.allSatisfy { $0.check == "tied-weights" }, "\(contents.findings.prefix(3))")
    #expect(contents.expectedCount == source.checkpoint.tensors.count)
  }

  @Test(arguments: Architectures.later.map(\.name))
  func aTensorThatIsLostIsNamed(_ family: String) throws {
    let source = try model(family, "saved")
    for tensor in source.checkpoint.tensors {
      let sample = source.checkpoint.tensors.filter { $0.name != tensor.name }.map {
        SampleTensor(
          $0.name, "BF16", $0.shape.dimensions,
          Data(count: $0.byteCount))
      }
      try workspace.write("saved/model.safetensors", SafetensorsSample(sample).fileContents)
      let problems = try Source(workspace.path("saved")).model().problems
      #expect(problems.contains { $0.error.tensor == tensor.name }, "\(tensor.name)")
    }
  }

  @Test(arguments: Architectures.later.map(\.name)) func runningIsRefusedByName(_ family: String)
    throws
  {
    let error = #expect(throws: CheckpointError.self) {
      try model(family, "saved").computation(for: "a forward pass")
    }
    #expect(error?.code == .unsupported && error?.found == family && error?.hint != nil)
  }
}
