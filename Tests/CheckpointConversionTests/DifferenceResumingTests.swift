import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Differences and trainers' updates that are interrupted and gone on with: the base is an input like the fork.
@Suite struct DifferenceResumingTests {
  private let workspace: Workspace
  private let base: String
  private let fork: String
  /// The fork as a store of differences.
  private let store: String

  /// What is written, or read, together with a base.
  enum Work: String, CaseIterable, Sendable {
    case difference, update, export

    /// What the destination is called, and its unfinished work.
    var name: String { self == .update ? "weight_v000003" : "out" }
    var partial: String { ".\(name).partial" }
    var format: String {
      switch self {
      case .difference: "store"
      case .update: "weight-delta"
      case .export: "safetensors"
      }
    }
  }

  init() throws {
    workspace = try Workspace()
    var random = SampleRandom(seed: 21)
    // F32 numbers near 1, so that steps of some ulp are smaller than the numbers.
    func near(_ count: Int) -> [Float] {
      (0..<count).map { _ in Float(1) + Float(random.next() & 0xFFFF) / 65536 }
    }
    let (a, b, c) = (near(30_000), near(20_000), near(30_000))
    for (name, steps) in [("base", Float(0)), ("fork", 3)] {
      let sample = SafetensorsSample([
        SampleTensor("a", [60, 500], floats: a.map { $0 + steps * $0.ulp }),
        SampleTensor("b", [40, 500], floats: b), SampleTensor("c", [3], floats: [1, 2, 3]),
        SampleTensor("d", [60, 500], floats: c.map { $0 - steps * $0.ulp }),
      ])
      try workspace.write("\(name)/model.safetensors", sample.fileContents)
    }
    base = workspace.path("base")
    fork = workspace.path("fork")
    store = workspace.path("fork.store")
    try convertToStore(fork, store) { [base] in
      $0.openOptions.bases = GivenBases([base], smallResources)
    }
  }

  private func request(
    _ work: Work, _ resources: EvaluationResources = smallResources, base: String? = nil,
    _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) -> ConversionRequest {
    CheckpointConversionTests.request(
      work == .export ? store : fork, workspace.path(work.name), resources: resources
    ) {
      $0.format = work.format
      $0.settings.sharding = .maximumByteCount(120_000)
      $0.openOptions.bases = GivenBases([base ?? self.base], smallResources)
      edit(&$0)
    }
  }

  /// The files of an uninterrupted run, and how often it asks whether to stop.
  private func whole(_ work: Work) throws -> (files: [String: Data], callCount: Int) {
    let never = Interruption(at: 0)
    try convert(request(work, never.resources()))
    let files = try workspace.snapshot(of: work.name)
    try workspace.remove(work.name)
    #expect(files.keys.count { $0.hasSuffix(".h5") || $0.hasSuffix(".safetensors") } > 1)
    return (files, never.callCount)
  }

  @discardableResult
  private func resume(
    _ work: Work, _ whole: [String: Data], _ place: Comment? = nil,
    _ sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Int {
    let outcome = try convert(request(work) { $0.resume = true })
    #expect(
      try workspace.snapshot(of: work.name) == whole, place, sourceLocation: sourceLocation)
    #expect(
      workspace.names().sorted() == ["base", "fork", "fork.store", work.name].sorted(),
      sourceLocation: sourceLocation)
    return outcome.resumedTensorCount
  }

  @Test(arguments: Work.allCases) func worksFromEveryMoment(_ work: Work) throws {
    let (files, calls) = try whole(work)
    #expect(calls >= 4)
    var counts: [Int] = []
    for call in 1...calls {
      let error = failure(of: request(work, Interruption(at: call).resources()))
      #expect(error?.code == .interrupted)
      #expect(!workspace.has(work.name))
      counts.append(try resume(work, files, "interrupted at call \(call) of \(calls)"))
      try workspace.remove(work.name)
    }
    #expect(counts == counts.sorted())
    // An update begins again.
    #expect(work == .update ? counts.allSatisfy { $0 == 0 } : counts.contains { $0 > 0 })
  }

  @Test(arguments: Work.allCases) func threadsAndMemoryDontChangeAByte(_ work: Work) throws {
    let files = try whole(work).files
    let minimum = EvaluationResources.minimumMemory
    for (memory, threads) in [(minimum, 1), (minimum, 4), (64_000_000, 1), (64_000_000, 5)] {
      try convert(request(work, EvaluationResources(memory: memory, threads: threads)))
      #expect(
        try workspace.snapshot(of: work.name) == files, "\(memory) bytes, \(threads) threads")
      try workspace.remove(work.name)
    }
  }

  /// Leaves all that is written but the sidecars and the certificate.
  private func interruptAtTheEnd(_ work: Work, _ callCount: Int) {
    // Hashing the inputs asks once more, when all tensors are written.
    let error = failure(
      of: request(work, Interruption(at: callCount + 1).resources()) { $0.hashesInputs = true })
    #expect(error?.code == .interrupted)
    #expect(workspace.has("\(work.partial)/journal"))
  }

  @Test func volumesOfDifferencesAreTakenOver() throws {
    let (files, calls) = try whole(.difference)
    interruptAtTheEnd(.difference, calls)
    #expect(try resume(.difference, files) == 4)
  }

  @Test(arguments: [1, 2]) func redoesVolumesThatHaveChanged(_ volume: Int) throws {
    let (files, calls) = try whole(.difference)
    let name = ".out.partial/weights-0000\(volume).h5"
    let damages: [(inout Data) -> Void] = [
      { $0[$0.count - 1] ^= 1 }, { $0[100] ^= 1 }, { $0[$0.count / 2] ^= 1 }, { $0.removeLast() },
    ]
    for damage in damages {
      interruptAtTheEnd(.difference, calls)
      try workspace.edit(name) { damage(&$0) }
      #expect(try resume(.difference, files) < 4)
      try workspace.remove("out")
    }
  }

  // MARK: The base is an input

  @Test(arguments: Work.allCases) func refusesABaseThatHasChangedSince(_ work: Work) throws {
    let (files, calls) = try whole(work)
    interruptAtTheEnd(work, calls)
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1_000_000)],
      ofItemAtPath: workspace.path("base/model.safetensors"))
    let error = failure(of: request(work) { $0.resume = true })
    #expect(error?.code == .conflict && error?.file == "base/model.safetensors")
    #expect(workspace.has("\(work.partial)/journal") && !workspace.has(work.name))
    #expect(try convert(request(work) { $0.force = true }).resumedTensorCount == 0)
    #expect(try workspace.snapshot(of: work.name) == files)
  }

  @Test(arguments: [Work.difference, .update]) func anotherBaseIsAnotherPlan(_ work: Work) throws {
    let (files, calls) = try whole(work)
    interruptAtTheEnd(work, calls)
    try workspace.copy(base, to: "other/base")
    try workspace.edit("other/base/model.safetensors") { $0[$0.count - 1] ^= 1 }
    let error = failure(
      of: request(work, base: workspace.path("other/base")) { $0.resume = true })
    #expect(error?.code == .conflict, "\(error.debugDescription)")
    #expect(workspace.has("\(work.partial)/journal") && !workspace.has(work.name))
    try workspace.remove("other")
    try resume(work, files)
  }

  /// Whatever was made of a base that somebody rewrites is worth nothing.
  @Test(arguments: Work.allCases) func aBaseThatChangesIsAnError(_ work: Work) throws {
    let file = workspace.path("base/model.safetensors")
    let error = failure(of: request(work)) {
      guard let handle = FileHandle(forUpdatingAtPath: file) else { return }
      _ = try? handle.seekToEnd()
      try? handle.seek(toOffset: handle.offsetInFile - 4)
      handle.write(Data([1, 2, 3, 4]))
      try? handle.close()
    }
    // Its digests can tell before its times do.
    #expect(error?.code == .inputOutput || error?.code == .corrupt, "\(error.debugDescription)")
    // Nothing is left that could be gone on with.
    #expect(!workspace.has(work.name) && !workspace.has(work.partial))
    #expect(error?.description.contains("--resume") == false, "\(error.debugDescription)")
  }

  /// What an earlier run has left isn't removed, and the hint says how to get rid of it.
  @Test(arguments: Work.allCases) func aBaseThatChangesWhileWorkIsResumedIsAnError(
    _ work: Work
  ) throws {
    let calls = try whole(work).callCount
    interruptAtTheEnd(work, calls)
    let file = workspace.path("base/model.safetensors")
    let error = failure(of: request(work) { $0.resume = true }) {
      guard let handle = FileHandle(forUpdatingAtPath: file) else { return }
      handle.write(Data([9]))
      try? handle.close()
    }
    let hint = try #require(error?.description)
    #expect(hint.contains("rm -r") && !hint.contains("with --resume"), "\(hint)")
    let again = try #require(failure(of: request(work) { $0.resume = true })?.description)
    #expect(again.contains("rm -r \(workspace.path(work.partial))"), "\(again)")
  }

  /// A file of the same name that takes the place of the one that is read isn't looked at.
  @Test(arguments: Work.allCases) func aBaseThatIsReplacedIsReadToItsEnd(_ work: Work) throws {
    let files = try whole(work).files
    let file = workspace.path("base/model.safetensors")
    let error = failure(of: request(work)) {
      try? Data("another".utf8).write(to: URL(filePath: file), options: .atomic)
    }
    #expect(error == nil)
    #expect(try workspace.snapshot(of: work.name) == files)
  }
}
