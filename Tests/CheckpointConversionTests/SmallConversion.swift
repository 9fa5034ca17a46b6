import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Where a conversion writes to.
enum Place: String, CaseIterable, Sendable {
  case newDirectory, emptyDirectory, file

  var name: String { self == .file ? "out.safetensors" : "out" }
  /// The partial directory, in the workspace.
  var partial: String { self == .emptyDirectory ? "out/.out.partial" : ".\(name).partial" }
  var certificate: String {
    self == .file ? "out.certificate.json" : "out/weighbridge-certificate.json"
  }
}

/// A conversion of a small checkpoint of several tensors, slabs and files.
struct SmallConversion {
  let workspace: Workspace
  let place: Place
  /// The files of an uninterrupted conversion.
  var whole: [String: Data] { reference.files }
  /// How often an uninterrupted conversion asks whether it should stop.
  var callCount: Int { reference.callCount }

  static let tensorCount = 6

  private struct Reference: Sendable {
    let files: [String: Data]
    let callCount: Int
  }

  private let reference: Reference

  private static let weights: Data? = {
    var random = SampleRandom(seed: 3)
    return try? SafetensorsSample([
      SampleTensor("a", "F32", [50_000], random.floats(50_000)),
      SampleTensor("b", "F32", [10, 10], random.floats(100)),
      SampleTensor("c", "F32", [50], random.floats(50)),
      SampleTensor("d", "I16", [3, 5], random.bytes(30)),
      SampleTensor("e", "F32", [0], Data()),
      SampleTensor("f", "F32", [9_000], random.floats(9_000)),
    ]).fileContents
  }()

  private static let references: [Place: Reference] = {
    var references: [Place: Reference] = [:]
    for place in Place.allCases { references[place] = try? reference(place) }
    return references
  }()

  private static func sharding(_ place: Place) -> ConversionPlan.Sharding? {
    place == .file ? nil : .count(3)
  }

  private static func reference(_ place: Place) throws -> Reference {
    let workspace = try Workspace()
    try writeSource(to: workspace)
    let never = Interruption(at: 0)
    try workspace.folder("whole")
    try convert(
      workspace.path("in"), workspace.path("whole/\(place.name)"), dtype: .bf16,
      resources: never.resources()
    ) { $0.settings.sharding = sharding(place) }
    return Reference(files: try workspace.snapshot(of: "whole"), callCount: never.callCount)
  }

  private static func writeSource(to workspace: Workspace) throws {
    try workspace.folder("in")
    try workspace.write("in/model.safetensors", try #require(weights))
    try workspace.write("in/config.json", Data(#"{"dtype": "float32"}"#.utf8))
    try workspace.write("in/tokenizer.json", Data("{}".utf8))
  }

  init(_ place: Place) throws {
    workspace = try Workspace()
    self.place = place
    reference = try #require(Self.references[place])
    try Self.writeSource(to: workspace)
    if place == .emptyDirectory { try workspace.folder("out") }
  }

  func request(
    interruptedAt call: Int = 0, _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) -> ConversionRequest {
    CheckpointConversionTests.request(
      workspace.path("in"), workspace.path(place.name), dtype: .bf16,
      resources: Interruption(at: call).resources()
    ) {
      $0.settings.sharding = Self.sharding(place)
      edit(&$0)
    }
  }

  /// Leaves a partial directory with everything in it but the sidecars and the certificate.
  func interruptAtTheEnd() throws {
    // Hashing the inputs asks once more, when all tensors are written.
    let error = failure(
      of: request(interruptedAt: callCount + 1) { $0.hashesInputs = true })
    #expect(error?.code == .interrupted)
    #expect(workspace.has("\(place.partial)/journal"))
  }

  /// The files at the destination, by the names that they have in `whole`.
  func result() throws -> [String: Data] {
    try workspace.snapshot(of: "").filter { !$0.key.hasPrefix("in") }
  }

  /// Goes on with the conversion, and checks that everything is as it should be then.
  @discardableResult
  func resume(_ sourceLocation: SourceLocation = #_sourceLocation) throws -> Int {
    let outcome = try convert(request { $0.resume = true })
    #expect(try result() == whole, sourceLocation: sourceLocation)
    return outcome.resumedTensorCount
  }
}
