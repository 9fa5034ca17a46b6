import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Each job is cut off at every call of the layer by which files are written, and each of these calls fails once: what lies there is what was there
/// before, unfinished work that can be gone on with, or the whole result.
@Suite struct CrashSafetyTests {
  private let workspace: Workspace
  private var root: String { workspace.path }

  init() throws { workspace = try Workspace() }

  /// What there was, what there is to be, and in how many calls.
  private struct Course {
    let job: SafeJob
    let old: DiskTree
    let new: DiskTree
    let callCount: Int

    /// The calls that something goes wrong at: all, or of long jobs a sample with the last ones, at which the result gets its place.
    var calls: [Int] {
      let (first, sampled, last) = (6, 8, 20)
      guard !TestEffort.isExhaustive, callCount > 70 else { return Array(1...callCount) }
      var random = FixedRandom(seed: UInt64(callCount))
      let between = (first + 1...callCount - last).shuffled(using: &random).prefix(sampled)
      return Array(1...first) + between.sorted() + Array(callCount - last + 1...callCount)
    }

    /// Whether all is as it is to be.
    func isNew(_ tree: DiskTree) -> Bool { difference(tree).isEmpty }

    /// The names of what isn't as it is to be.
    func difference(_ tree: DiskTree) -> [String] {
      Set(tree.keys).union(new.keys).filter {
        !tree.keys.contains($0) || !new.keys.contains($0)
          || !job.isSame($0, tree[$0] ?? nil, new[$0] ?? nil)
      }.sorted()
    }

    /// A tree without unfinished work.
    func finished(_ tree: DiskTree) -> DiskTree {
      guard let partial = job.partial else { return tree.filter { !$0.key.hasSuffix(".partial") } }
      return tree.filter { $0.key != partial && !$0.key.hasPrefix("\(partial)/") }
    }
  }

  private func course(_ job: SafeJob) throws -> Course {
    try job.prepare(root)
    let old = try DiskContents.tree(at: root)
    let disk = try SimulatedDisk(root)
    try run(job, .usual, on: disk)
    let new = try DiskContents.tree(at: root)
    // All was written through the layer, and what is done is durable.
    #expect(disk.contents(after: .everything) == new)
    #expect(disk.contents(after: .nothing) == new)
    #expect(new != old)
    return Course(job: job, old: old, new: new, callCount: disk.callCount)
  }

  private func run(
    _ job: SafeJob, _ manner: SafeJob.Manner, on disk: SimulatedDisk
  ) throws {
    try FileSystem.$operations.withValue(disk) { try job.run(root, manner) }
  }

  /// The error that a job ends in on a disk; nil if it doesn't.
  private func failure(of job: SafeJob, on disk: SimulatedDisk) throws -> CheckpointError? {
    do {
      try run(job, .usual, on: disk)
      return nil
    } catch let error as CheckpointError { return error }
  }

  /// Goes on as a user would, with what lies there, until all is there, and stays when the power goes.
  private func goOn(_ course: Course, on disk: SimulatedDisk, _ place: Comment) throws {
    let way = try way(course, on: disk)
    let steps = "\(place), then \(way.map { "\($0)" } ?? "nothing")"
    let there = try DiskContents.tree(at: root)
    #expect(course.difference(there) == [], "\(steps)")
    guard way != nil else { return }
    let durable = disk.contents(after: .nothing)
    #expect(course.difference(durable) == [], "\(steps), and the power goes")
  }

  /// Does what is still to be done, and says what that was; nil if it was nothing.
  private func way(_ course: Course, on disk: SimulatedDisk) throws -> SafeJob.Manner? {
    let there = try DiskContents.tree(at: root)
    let isWhole = course.isNew(course.finished(there))
    if course.isNew(there) { return nil }
    var manner: SafeJob.Manner = isWhole ? .replacing : .usual
    if !isWhole, let partial = course.job.partial, there[partial] != nil { manner = .resuming }
    try run(course.job, manner, on: disk)
    return manner
  }

  @Test(arguments: SafeJob.all) func theOldTheNewOrWhatCanBeResumedIsLeft(_ job: SafeJob) throws {
    let course = try course(job)
    var seen: Set<DiskTree> = []
    for call in course.calls {
      try DiskContents.restore(course.old, at: root)
      let disk = try SimulatedDisk(root, .cut(at: call))
      _ = try failure(of: job, on: disk)
      for survival in DiskContents.Survival.allCases {
        let tree = disk.contents(after: survival)
        guard seen.insert(tree).inserted else { continue }
        let place: Comment = "cut at call \(call) of \(course.callCount), \(survival) survives"
        try expectSound(tree, course, place)
        try DiskContents.restore(tree, at: root)
        do { try goOn(course, on: SimulatedDisk(root), place) } catch {
          Issue.record(error, "\(place): \(tree.keys.sorted())")
        }
      }
    }
  }

  @Test(arguments: SafeJob.all) func whatGoesOnMayBeCutOffToo(_ job: SafeJob) throws {
    let course = try course(job)
    var random = FixedRandom(seed: 3)
    for call in course.calls.shuffled(using: &random).prefix(Self.pairCount) {
      try DiskContents.restore(course.old, at: root)
      let first = try SimulatedDisk(root, .cut(at: call))
      _ = try failure(of: job, on: first)
      for survival in [DiskContents.Survival.nothing, .everything] {
        let tree = first.contents(after: survival)
        try DiskContents.restore(tree, at: root)
        let calm = try SimulatedDisk(root)
        try goOn(course, on: calm, "cut at call \(call), \(survival) survives")
        guard calm.callCount > 0 else { continue }
        let second = Int.random(in: 1...calm.callCount, using: &random)
        try DiskContents.restore(tree, at: root)
        let disk = try SimulatedDisk(root, .cut(at: second))
        _ = try? way(course, on: disk)
        let place: Comment = "cut at call \(call), \(survival) survives, then at call \(second)"
        for survival in DiskContents.Survival.allCases {
          let tree = disk.contents(after: survival)
          try expectSound(tree, course, place)
          try DiskContents.restore(tree, at: root)
          do { try goOn(course, on: SimulatedDisk(root), place) } catch {
            Issue.record(error, "\(place), \(survival) survives: \(tree.keys.sorted())")
          }
        }
      }
    }
  }

  /// How many runs that go on are cut off themselves.
  private static let pairCount = 2

  @Test(arguments: SafeJob.all) func everyFailureIsToldAndCanBeGoneOnFrom(_ job: SafeJob) throws {
    let course = try course(job)
    for call in course.calls {
      for trouble in [SimulatedDisk.Trouble.failure(at: call), .full(from: call)] {
        try DiskContents.restore(course.old, at: root)
        let disk = try SimulatedDisk(root, trouble)
        let error = try failure(of: job, on: disk)
        let text = error?.description ?? "no error"
        let place: Comment = "\(trouble) of \(course.callCount): \(text)"
        if let error {
          #expect(error.code == .noSpace || error.code == .inputOutput, place)
          #expect(error.hint != nil, place)
        }
        try expectSound(DiskContents.tree(at: root), course, place)
        disk.relent()
        do { try goOn(course, on: disk, place) } catch { Issue.record(error, place) }
      }
    }
  }

  @Test(arguments: SafeJob.all) func shortWritesAreGoneOnWith(_ job: SafeJob) throws {
    let course = try course(job)
    try DiskContents.restore(course.old, at: root)
    let disk = try SimulatedDisk(root, .shortWrites)
    try run(job, .usual, on: disk)
    let there = try DiskContents.tree(at: root)
    #expect(course.difference(there) == [])
  }

  /// Every file outside of unfinished work is what it was, or what it is to be; all together are, or there is unfinished work.
  private func expectSound(_ tree: DiskTree, _ course: Course, _ place: Comment) throws {
    let finished = course.finished(tree)
    for (name, contents) in finished {
      let isSound =
        [course.old[name], course.new[name]].contains { $0 == .some(contents) }
        || course.job.isSame(name, contents, course.new[name] ?? nil)
      #expect(isSound, "\(place): \(name) is neither old nor new")
    }
    let isGoneOnWith = course.job.partial.map { tree[$0] != nil } ?? false
    for name in course.old.keys where course.new[name] != nil {
      let isThere = finished[name] != nil || course.job.makesRoomFirst && isGoneOnWith
      #expect(isThere, "\(place): \(name) is gone")
    }
  }
}
