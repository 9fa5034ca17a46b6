import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// Interrupting a conversion and going on with it.
@Suite struct ResumingTests {
  @Test(arguments: Place.allCases)
  func worksFromEveryMoment(place: Place) throws {
    var counts: [Int] = []
    let calls = try SmallConversion(place).callCount
    #expect(calls >= SmallConversion.tensorCount)
    for call in 1...calls {
      let conversion = try SmallConversion(place)
      let error = failure(of: conversion.request(interruptedAt: call))
      #expect(error?.code == .interrupted)
      #expect(error?.hint?.contains("--resume") == true)
      #expect(conversion.workspace.has(conversion.place.partial))
      switch place {
      case .emptyDirectory: #expect(conversion.workspace.names(in: "out") == [".out.partial"])
      default: #expect(!conversion.workspace.has(place.name))
      }
      #expect(!conversion.workspace.has(place.certificate))
      counts.append(try conversion.resume())
    }
    #expect(counts == counts.sorted())
    #expect(counts.first == 0)
    #expect(counts.last == SmallConversion.tensorCount - 1)
  }

  @Test(arguments: Place.allCases)
  func takesOverEveryTensorOfAFinishedRun(place: Place) throws {
    let conversion = try SmallConversion(place)
    try conversion.interruptAtTheEnd()
    #expect(try conversion.resume() == SmallConversion.tensorCount)
  }

  @Test func canBeInterruptedAgainAndAgain() throws {
    let conversion = try SmallConversion(.newDirectory)
    for call in 1...conversion.callCount {
      let error = failure(of: conversion.request(interruptedAt: call) { $0.resume = true })
      #expect(error == nil || error?.code == .interrupted)
    }
    if !conversion.workspace.has("out") { try conversion.resume() }
    #expect(try conversion.result() == conversion.whole)
  }

  @Test func withNothingToResumeIsAnOrdinaryRun() throws {
    #expect(try SmallConversion(.newDirectory).resume() == 0)
    #expect(try SmallConversion(.file).resume() == 0)
  }

  @Test func withOtherThreadsAndMemoryGivesTheSame() throws {
    let conversion = try SmallConversion(.newDirectory)
    _ = failure(of: conversion.request(interruptedAt: 6))
    let resources = Interruption(at: 0).resources(memory: 100_000_000, threads: 3)
    let outcome = try convert(
      conversion.request {
        $0.resume = true
        $0.resources = resources
      })
    #expect(outcome.resumedTensorCount > 0)
    #expect(try conversion.result() == conversion.whole)
  }

  // MARK: Damage

  @Test(arguments: [0, 1, 2])
  func redoesTensorsWhoseBytesHaveChanged(shard: Int) throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.edit(".out.partial/model-0000\(shard + 1)-of-00003.safetensors") {
      $0[$0.count - 1] ^= 0x10
    }
    #expect(try conversion.resume() == SmallConversion.tensorCount - 1)
  }

  @Test func redoesWhatLostFilesHeld() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.remove(".out.partial/model-00001-of-00003.safetensors")
    try conversion.workspace.edit(".out.partial/model-00002-of-00003.safetensors") {
      $0 = $0.prefix(40)
    }
    #expect(try conversion.resume() < SmallConversion.tensorCount)
  }

  @Test func repairsHeaders() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.edit(".out.partial/model-00001-of-00003.safetensors") { $0[20] ^= 1 }
    #expect(try conversion.resume() == SmallConversion.tensorCount)
  }

  @Test func redoesWhatFollowsADamagedLineOfTheJournal() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.edit(".out.partial/journal") { journal in
      let ends = journal.indices.filter { journal[$0] == 10 }
      journal[ends[1] + 12] ^= 1
    }
    #expect(try conversion.resume() == 1)
  }

  @Test func ignoresATornLastLineOfTheJournal() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.edit(".out.partial/journal") { $0.removeLast() }
    #expect(try conversion.resume() == SmallConversion.tensorCount - 1)
  }

  @Test func believesNothingOfAJournalWithADamagedHead() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.edit(".out.partial/journal") { $0[12] ^= 1 }
    do throws(CheckpointError) {
      let outcome = try convert(conversion.request { $0.resume = true })
      #expect(outcome.resumedTensorCount == 0)
    } catch {
      #expect(error.code == .conflict)
      #expect(conversion.workspace.has(".out.partial/journal"))
      return
    }
    #expect(try conversion.result() == conversion.whole)
  }

  /// A run can end between creating its journal and writing the first line.
  @Test func worksWithAJournalThatHoldsNothingYet() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.workspace.folder(".out.partial")
    try conversion.workspace.write(".out.partial/journal", Data())
    #expect(try conversion.resume() == 0)
  }

  // MARK: Other conversions

  @Test func refusesAnotherPlanAndKeepsTheWork() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    let edits: [(inout ConversionRequest) -> Void] = [
      { $0.settings.dtype = .f32 }, { $0.settings.sharding = .count(2) },
      { $0.settings.allowOverflow = true },
    ]
    for edit in edits {
      let error = failure(
        of: conversion.request {
          $0.resume = true
          edit(&$0)
        })
      #expect(error?.code == .conflict)
      #expect(error?.hint?.contains("--resume") == true)
      #expect(!conversion.workspace.has("out"))
    }
    #expect(try conversion.resume() == SmallConversion.tensorCount)
  }

  @Test func refusesAChangedInput() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    let attributes = [FileAttributeKey.modificationDate: Date(timeIntervalSince1970: 1_000_000)]
    try FileManager.default.setAttributes(
      attributes, ofItemAtPath: conversion.workspace.path("in/model.safetensors"))
    let touched = failure(of: conversion.request { $0.resume = true })
    #expect(touched?.code == .conflict)
    #expect(touched?.file == "model.safetensors")
    var random = SampleRandom(seed: 8)
    let other = SafetensorsSample([
      SampleTensor("a", "F32", [8], random.floats(8)),
      SampleTensor("b", "F32", [5], random.floats(5)),
      SampleTensor("c", "F32", [5], random.floats(5)),
    ])
    try conversion.workspace.write("in/model.safetensors", other.fileContents)
    #expect(failure(of: conversion.request { $0.resume = true })?.code == .conflict)
    #expect(conversion.workspace.has(".out.partial/journal"))
    #expect(!conversion.workspace.has("out"))
  }

  @Test(arguments: Place.allCases)
  func leavesUnfinishedWorkAloneWithoutResume(place: Place) throws {
    let conversion = try SmallConversion(place)
    try conversion.interruptAtTheEnd()
    let before = try conversion.result()
    let error = failure(of: conversion.request())
    #expect(error?.code == .conflict)
    #expect(error?.hint?.contains("--resume") == true)
    #expect(try conversion.result() == before)
  }

  @Test(arguments: Place.allCases)
  func beginsAnewWithForce(place: Place) throws {
    let conversion = try SmallConversion(place)
    try conversion.interruptAtTheEnd()
    let outcome = try convert(conversion.request { $0.force = true })
    #expect(outcome.resumedTensorCount == 0)
    #expect(try conversion.result() == conversion.whole)
  }

  // MARK: Locks

  @Test func refusesWorkThatAnotherProcessIsAt() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    let before = try conversion.result()
    let lock = try DirectoryLock(conversion.workspace.path(".out.partial"))
    defer { withExtendedLifetime(lock) {} }
    #expect(failure(of: conversion.request { $0.resume = true })?.code == .conflict)
    #expect(failure(of: conversion.request { $0.force = true })?.code == .conflict)
    #expect(failure(of: conversion.request())?.code == .conflict)
    #expect(try conversion.result() == before)
  }

  @Test func neverRemovesWorkThatAnotherProcessIsAt() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    let before = try conversion.result()
    let lock = try DirectoryLock(conversion.workspace.path(".out.partial"))
    try conversion.workspace.write("broken.safetensors", Data("no safetensors".utf8))
    defer { withExtendedLifetime(lock) {} }
    let broken = request(
      conversion.workspace.path("broken.safetensors"), conversion.workspace.path("out")
    ) { $0.resume = true }
    #expect(failure(of: broken) != nil)
    try conversion.workspace.remove("broken.safetensors")
    let after = try conversion.result()
    #expect(after == before)
  }

  @Test func keepsTheWorkWhenTheSourceCantBeOpened() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    let before = try conversion.result()
    // A disk that isn't mounted, or a typing error.
    try conversion.workspace.move("in", to: "in2")
    #expect(failure(of: conversion.request { $0.resume = true })?.code == .missing)
    try conversion.workspace.move("in2", to: "in")
    let after = try conversion.result()
    #expect(after == before)
  }

}
