import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Groups of tensors that are evaluated at once and stored one by one.
@Suite struct OutputGroupTests {
  private static let (rows, widths) = (3000, [5, 96, 2])
  private static let bytes = (0..<rows * 103).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 7) }

  /// A row of each part, cut out of the rows of the source's matrix.
  private static func part(_ number: Int) -> [UInt8] {
    let start = widths[..<number].reduce(0, +)
    return (0..<rows).flatMap { bytes[$0 * 103 + start..<$0 * 103 + start + widths[number]] }
  }

  private func source(_ workspace: Workspace) throws -> Source {
    let sample = SafetensorsSample([
      SampleTensor("matrix", "U8", [Self.rows, 103], Data(Self.bytes)),
      SampleTensor("vector", [3], floats: [1, 2, 3]),
    ])
    // Written once: a run is only resumed on the same file.
    if !workspace.has("in.safetensors") {
      try workspace.write("in.safetensors", sample.fileContents)
    }
    return try Source(workspace.path("in.safetensors"), OpenOptions())
  }

  private func plan(_ source: Source) throws -> ConversionPlan {
    let types =
      Self.widths.map { TensorType(.u8, [Self.rows, $0]) } + [TensorType(.f32, [3])]
    let names = ["matrix.a", "matrix.b", "matrix.c", "vector"]
    let layout = SafetensorsLayout.layout(zip(names, types).map { ($0, $1) }, metadata: [:])
    let tensors = names.indices.map { place in
      let start = Self.widths.prefix(place).reduce(0, +)
      return ConversionPlan.PlannedTensor(
        name: names[place], type: types[place],
        expression: place == 3
          ? .stored("vector")
          : .slice(.stored("matrix"), axis: 1, range: start..<start + Self.widths[place]),
        file: 0, place: layout.places[place])
    }
    return try Planner(source, ConversionPlan.Settings(), smallResources).plan(
      format: SafetensorsFormat.name,
      groups: [
        ConversionPlan.OutputGroup(
          name: "matrix", expression: .stored("matrix"), parts: Array(tensors[..<3]),
          rowParts: RowParts(Self.widths.map { .init($0) })),
        ConversionPlan.OutputGroup(tensors[3]),
      ],
      weightFiles: [
        .init(name: "out.safetensors", layout: layout, byteCount: layout.byteCount)
      ],
      sidecars: [])
  }

  /// So little memory that there are many slabs.
  private func resources(_ interruption: Interruption) -> EvaluationResources {
    interruption.resources(memory: EvaluationResources.minimumMemory)
  }

  private func run(
    _ workspace: Workspace, resume: Bool = false, resources: EvaluationResources
  ) throws -> Converter.Outcome {
    let source = try source(workspace)
    let destination = try AtomicDestination(
      workspace.path("out.safetensors"), kind: .file,
      replacing: { (_) throws(CheckpointError) in }, isForced: false, resuming: resume)
    let converter = try Converter(
      plan(source), source, destination, .init(resources: resources, resume: resume))
    let lock = try destination.begin()
    return try withExtendedLifetime(lock) { try converter.run() }
  }

  @Test func listsThePartsOfAllGroups() throws {
    let workspace = try Workspace()
    let plan = try plan(source(workspace))
    #expect(Array(plan.tensors) == plan.groups.flatMap(\.parts))
    #expect(plan.tensors.map(\.name) == ["matrix.a", "matrix.b", "matrix.c", "vector"])
    #expect(plan.groups.indices.map(plan.places) == [0..<3, 3..<4])
  }

  @Test(arguments: [1, 3])
  func everyPartHasItsDigestAndPlace(_ threads: Int) throws {
    let workspace = try Workspace()
    let outcome = try run(
      workspace,
      resources: EvaluationResources(
        memory: threads * EvaluationResources.minimumMemory, threads: threads))
    let records = outcome.certificate.tensors
    #expect(records.map(\.name) == ["matrix.a", "matrix.b", "matrix.c", "vector"])
    for number in 0..<3 {
      #expect(records[number].digest == Digest(of: Self.part(number)))
      #expect(records[number].sources == ["matrix"])
    }
    let written = try Source(workspace.path("out.safetensors"), OpenOptions())
    #expect(written.checkpoint.tensors.count == 4)
    // Each part is made again on its own.
    for record in records {
      let digests = DigestCollector()
      let expression = try TensorExpression(parsing: record.expression, sources: record.sources)
      let reader = try source(workspace).reader
      try EvaluationPipeline(reader, smallResources).run(
        [
          EvaluationTask(
            name: record.name,
            expression: try CompiledExpression(expression, in: reader.checkpoint))
        ], digests)
      #expect(digests[0]?.digest == record.digest)
      let own = DigestCollector()
      try EvaluationPipeline(written.reader, smallResources).run(
        [
          EvaluationTask(
            name: record.name,
            expression: try CompiledExpression(
              .stored(record.name), in: written.reader.checkpoint))
        ], own)
      #expect(own[0]?.digest == record.digest)
    }
  }

  @Test func resumesWhereverItStops() throws {
    let never = Interruption(at: 0)
    let reference = try Workspace()
    _ = try run(reference, resources: resources(never))
    let whole = try reference.snapshot(of: "")
    #expect(never.callCount > 5)
    for call in 1...never.callCount {
      let workspace = try Workspace()
      #expect(throws: CheckpointError.self) {
        try run(workspace, resources: resources(Interruption(at: call)))
      }
      _ = try run(workspace, resume: true, resources: resources(never))
      #expect(try workspace.snapshot(of: "") == whole)
    }
  }

  /// A part that isn't what the journal says makes the whole group void.
  @Test func makesAGroupAnewOfWhichAPartIsDamaged() throws {
    let workspace = try Workspace()
    let never = Interruption(at: 0)
    let reference = try Workspace()
    _ = try run(reference, resources: resources(never))
    #expect(throws: CheckpointError.self) {
      try run(workspace, resources: resources(Interruption(at: never.callCount)))
    }
    let file = ".out.safetensors.partial/out.safetensors"
    try workspace.edit(file) { $0[$0.count - 1] ^= 1 }
    let outcome = try run(workspace, resume: true, resources: resources(never))
    #expect(outcome.resumedTensorCount <= 1)
    #expect(try workspace.snapshot(of: "") == reference.snapshot(of: ""))
  }
}
