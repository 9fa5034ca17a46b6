import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Parts and their merge are killed at every change that they make to files, and then started again as a scheduler starts them: the same commands, and
/// nothing else, come to a single run's bytes.
@Suite struct PartsKillTests {
  /// What is made in parts.
  struct Work: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let destination: String
    let source: @Sendable () throws -> String
    var isForced = false
    let edit: @Sendable (inout ConversionRequest) -> Void

    /// Where nothing but what parts write is.
    func request(_ root: String) throws -> ConversionRequest {
      var request = ConversionRequest(
        source: try source(), destination: "\(root)/\(destination)", openOptions: OpenOptions(),
        resources: SafeJob.resources)
      edit(&request)
      request.resume = true
      request.force = isForced
      return request
    }

    func doPart(_ number: Int, _ root: String) throws {
      let part = try #require(PartNumber(number, of: 2))
      _ = try ConversionJob(request(root)).run(
        part: .part(part), variables: [:], SafeJob.silent, willWork: { _ in })
    }

    func merge(_ root: String) throws -> PartsMerge.Outcome {
      try PartsMerge("\(root)/\(destination)", isForced: isForced, SafeJob.resources).run()
    }

    /// A job of the scheduler's: a part, or the merge.
    func doStep(_ step: Int, _ root: String) throws {
      if step < 3 { try doPart(step, root) } else { _ = try merge(root) }
    }

    /// What is there before.
    func prepare(_ root: String) throws {
      guard isForced else { return }
      var old = try request(root)
      old.settings.dtype = .f16
      old.resume = false
      _ = try ConversionJob(old).run(SafeJob.silent)
    }
  }

  static let works = [
    Work(
      testDescription: "files in a folder", destination: "out",
      source: { try Samples.plain.get() }
    ) {
      $0.format = "safetensors"
      $0.settings.sharding = .count(2)
    },
    Work(
      testDescription: "a folder that is replaced", destination: "out",
      source: { try Samples.plain.get() }, isForced: true
    ) { $0.format = "safetensors" },
    Work(
      testDescription: "pieces of a file", destination: "out.safetensors",
      source: { try Samples.plain.get() }
    ) { _ in },
    Work(
      testDescription: "a store", destination: "out.store", source: { try Samples.plain.get() }
    ) { $0.settings.sharding = .count(2) },
  ]

  @Test(arguments: works) func killedJobsThatAreStartedAgainMakeASingleRunsBytes(
    _ work: Work
  ) throws {
    let workspace = try Workspace()
    let root = workspace.path
    try work.prepare(root)
    var stages = [try DiskContents.tree(at: root)]
    var counts: [Int] = []
    for step in 1...3 {
      let disk = try SimulatedDisk(root)
      try FileSystem.$operations.withValue(disk) { try work.doStep(step, root) }
      stages.append(try DiskContents.tree(at: root))
      counts.append(disk.callCount)
    }
    let whole = stages[3]
    for (place, count) in counts.enumerated() {
      for call in 1...count {
        let comment: Comment = "job \(place + 1) was killed at call \(call) of \(count)"
        try DiskContents.restore(stages[place], at: root)
        let disk = try SimulatedDisk(root, .cut(at: call))
        _ = try? FileSystem.$operations.withValue(disk) { try work.doStep(place + 1, root) }
        do {
          for step in place + 1...3 { try work.doStep(step, root) }
          #expect(try DiskContents.tree(at: root) == whole, comment)
        } catch { Issue.record(error, comment) }
      }
    }
    // A merge that is started again after all finds all done.
    #expect(try work.merge(root).wasWhole)
    #expect(try DiskContents.tree(at: root) == whole)
  }

  @Test(arguments: works) func aFullDiskIsToldAndTheMergeGoesOn(_ work: Work) throws {
    let workspace = try Workspace()
    let root = workspace.path
    try work.prepare(root)
    for step in 1...2 { try work.doStep(step, root) }
    let disk = try SimulatedDisk(root, .full(from: 1))
    let error = #expect(throws: CheckpointError.self) {
      try FileSystem.$operations.withValue(disk) { try work.merge(root) }
    }
    #expect(error?.code == .noSpace)
    #expect(error?.hint?.contains("free some space; then merge again") == true)
    #expect(error?.description.contains("another disk") == false)
    #expect(try !work.merge(root).wasWhole)
  }

  @Test func partsMakeASingleRunsBytes() throws {
    let workspace = try Workspace()
    for work in Self.works where !work.isForced {
      let (alone, together) = (workspace.path("alone"), workspace.path("together"))
      for folder in [alone, together] {
        try? FileManager.default.removeItem(atPath: folder)
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: false)
      }
      _ = try ConversionJob(work.request(alone)).run(SafeJob.silent)
      for step in 1...3 { try work.doStep(step, together) }
      #expect(try DiskContents.tree(at: together) == DiskContents.tree(at: alone))
    }
  }
}
