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

  // MARK: The end of a run

  /// Brings the sidecars and the certificate, which are written last, into the partial directory.
  ///
  /// - Returns: the names of all files.
  private func completePartial(_ conversion: SmallConversion) throws -> [String] {
    let workspace = conversion.workspace
    try conversion.interruptAtTheEnd()
    var names: [String] = []
    for (path, contents) in conversion.whole where path != "out" {
      let name = URL(filePath: path).lastPathComponent
      names.append(name)
      if !workspace.has("\(conversion.place.partial)/\(name)") {
        try workspace.write("\(conversion.place.partial)/\(name)", contents)
      }
    }
    return names.sorted()
  }

  @Test(arguments: Place.allCases)
  func believesTheCertificateWhenTheJournalIsGone(place: Place) throws {
    let conversion = try SmallConversion(place)
    _ = try completePartial(conversion)
    try conversion.workspace.remove("\(place.partial)/journal")
    #expect(try conversion.resume() == SmallConversion.tensorCount)
  }

  @Test func checksWhatTheCertificateClaimsWhenTheJournalIsGone() throws {
    let conversion = try SmallConversion(.newDirectory)
    _ = try completePartial(conversion)
    try conversion.workspace.remove(".out.partial/journal")
    try conversion.workspace.edit(".out.partial/model-00001-of-00003.safetensors") {
      $0[$0.count - 1] ^= 1
    }
    #expect(try conversion.resume() == SmallConversion.tensorCount - 1)
  }

  /// The first line is on the disk before there is any other file.
  @Test func refusesWorkWithAnEmptyJournal() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.write(".out.partial/journal", Data())
    #expect(failure(of: conversion.request { $0.resume = true })?.code == .conflict)
  }

  /// Nobody knows whose it is.
  @Test func refusesWorkWithoutJournalAndCertificate() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.interruptAtTheEnd()
    try conversion.workspace.remove(".out.partial/journal")
    #expect(failure(of: conversion.request { $0.resume = true })?.code == .conflict)
  }

  /// Files get their names in an existing directory one by one; the run can end between any two.
  @Test func worksFromEveryStepOfFillingADirectory() throws {
    let names = try completePartial(SmallConversion(.emptyDirectory))
    let weights = names.filter { $0.hasSuffix(".safetensors") }
    let certificate = "weighbridge-certificate.json"
    let order =
      weights + names.filter { !weights.contains($0) && $0 != certificate } + [certificate]
    #expect(order.count == 7)
    for moved in 0...order.count {
      for hasJournal in moved == order.count ? [true, false] : [true] {
        let conversion = try SmallConversion(.emptyDirectory)
        _ = try completePartial(conversion)
        for name in order.prefix(moved) {
          try conversion.workspace.move("out/.out.partial/\(name)", to: "out/\(name)")
        }
        if !hasJournal { try conversion.workspace.remove("out/.out.partial/journal") }
        #expect(try conversion.resume() == SmallConversion.tensorCount, "after \(moved) files")
      }
    }
  }

  /// The certificate gets its name before the file; the run can end between the two.
  @Test func worksBetweenCertificateAndFile() throws {
    let conversion = try SmallConversion(.file)
    _ = try completePartial(conversion)
    try conversion.workspace.write(
      ".out.safetensors.partial/\(AtomicDestination.publicationName)", Data())
    try conversion.workspace.move(
      ".out.safetensors.partial/out.certificate.json", to: "out.certificate.json")
    #expect(try conversion.resume() == SmallConversion.tensorCount)
  }

  @Test func refusesAnotherPlanWhenTheJournalIsGone() throws {
    let conversion = try SmallConversion(.newDirectory)
    _ = try completePartial(conversion)
    try conversion.workspace.remove(".out.partial/journal")
    let before = try conversion.result()
    let error = failure(
      of: conversion.request(interruptedAt: 1) {
        $0.resume = true
        $0.settings.dtype = .f32
      })
    let after = try conversion.result()
    #expect(error?.code == .conflict)
    #expect(after == before)
  }

  /// The old destination is there until the exchange, so the work for the new one must be resumable beside it.
  @Test func worksForAReplacementToo() throws {
    let conversion = try SmallConversion(.newDirectory)
    try conversion.workspace.folder("out")
    try conversion.workspace.write("out/model.safetensors", Data())
    let error = failure(
      of: conversion.request(interruptedAt: conversion.callCount) { $0.force = true })
    #expect(error?.code == .interrupted)
    #expect(conversion.workspace.names(in: "out") == ["model.safetensors"])
    let outcome = try convert(
      conversion.request {
        $0.force = true
        $0.resume = true
      })
    #expect(outcome.resumedTensorCount == SmallConversion.tensorCount - 1)
    #expect(try conversion.result() == conversion.whole)
  }

  // MARK: Archives

  @Test func ofAnArchiveWorksFromUnpackingOn() throws {
    let fixture = try #require(MeshFixture.all.first { $0.name == "s4_perturbed_slim_f16" })
    let workspace = try Workspace()
    let never = Interruption(at: 0)
    try workspace.folder("reference")
    _ = try fixture.convert(to: workspace.path("reference/out"), resources: never.resources()) {
      $0.openOptions.checkCancellation = $0.resources.checkCancellation
    }
    let whole = try workspace.snapshot(of: "reference/out")
    let calls = never.callCount
    for call in [1, 2, calls / 2, calls] {
      let stop = Interruption(at: call)
      #expect(throws: CheckpointError.self) {
        try fixture.convert(to: workspace.path("out"), resources: stop.resources())
      }
      #expect(workspace.names() == [".out.partial", "reference"])
      _ = try fixture.convert(to: workspace.path("out")) { $0.resume = true }
      #expect(try workspace.snapshot(of: "out") == whole)
      #expect(workspace.names() == ["out", "reference"])
      try workspace.remove("out")
    }
  }

  @Test func ofAnArchiveUsesItsSpoolDirectory() throws {
    let fixture = try #require(MeshFixture.all.first { $0.name == "s4_perturbed_slim_f16" })
    let workspace = try Workspace()
    let spool = try workspace.folder("spool")
    let edit: (inout ConversionRequest) -> Void = { $0.spoolDirectory = spool }
    _ = try fixture.convert(to: workspace.path("whole"), edit)
    #expect(workspace.names(in: "spool").isEmpty)

    // Unpacking asks a few times before the first tensor does.
    let stop = Interruption(at: 20)
    #expect(throws: CheckpointError.self) {
      try fixture.convert(to: workspace.path("out"), resources: stop.resources(), edit)
    }
    #expect(workspace.has(".out.partial/journal"))
    #expect(workspace.names(in: "spool").count == 1)
    let outcome = try fixture.convert(to: workspace.path("out")) {
      edit(&$0)
      $0.resume = true
    }
    #expect(outcome.resumedTensorCount > 0)
    #expect(workspace.names(in: "spool").isEmpty)
    #expect(try workspace.snapshot(of: "out") == workspace.snapshot(of: "whole"))

    #expect(throws: CheckpointError.self) {
      try fixture.convert(to: workspace.path("refused")) {
        edit(&$0)
        $0.settings.sharding = .count(1_000_000)
      }
    }
    #expect(workspace.names(in: "spool").isEmpty)
    #expect(workspace.names() == ["out", "spool", "whole"])
  }

  @Test func publishesNoSpoolOfAnArchiveThatHasChanged() throws {
    let fixture = try #require(MeshFixture.all.first { $0.name == "s4_perturbed_slim_f16" })
    let workspace = try Workspace()
    let archive = try workspace.copy(fixture.archive, to: "step.tar.zstd")
    let configuration = try fixture.configuration
    let edit: (inout ConversionRequest) -> Void = { $0.openOptions.configuration = configuration }
    // The spool is complete, but there is no journal yet.
    let error = failure(
      of: request(archive, workspace.path("out"), resources: smallResources) {
        edit(&$0)
        $0.openOptions.assetsDirectory = nil
        $0.openOptions.progress = { _ in }
        let calls = Interruption(at: 1)
        $0.openOptions.checkCancellation = calls.resources().checkCancellation
      })
    #expect(error?.code == .interrupted)
    try workspace.write(".out.partial/spool-1-2.tar", Data(count: 100))
    try convert(archive, workspace.path("out"), dtype: .bf16) {
      edit(&$0)
      $0.resume = true
    }
    #expect(
      workspace.names(in: "out") == [
        "config.json", "model.safetensors", "weighbridge-certificate.json",
      ])
  }

  /// Whatever was made of a file that somebody rewrites is worth nothing.
  @Test func aSourceThatChangesIsAnError() throws {
    let workspace = try Workspace()
    let source = try ModelSample("gpt2").write(workspace, "in")
    let whole = try Data(contentsOf: URL(filePath: "\(source)/model.safetensors"))
    let change: @Sendable () -> Void = {
      guard let file = FileHandle(forUpdatingAtPath: "\(source)/model.safetensors") else { return }
      file.seekToEndOfFile()
      try? file.seek(toOffset: file.offsetInFile - 4)
      file.write(Data([1, 2, 3, 4]))
      try? file.close()
    }
    let error = failure(
      of: request(source, workspace.path("out"), dtype: .f16), willStart: change)
    #expect(error?.code == .inputOutput && error?.file?.hasSuffix("model.safetensors") == true)
    // Nothing is left that could be gone on with.
    #expect(!workspace.has("out") && !workspace.has(".out.partial"))
    try whole.write(to: URL(filePath: "\(source)/model.safetensors"))
    // What an earlier run has left is void: with other times it is another input; with the same, everything is made again.
    let interrupted = request(
      source, workspace.path("out"), resources: Interruption(at: 3).resources())
    #expect(failure(of: interrupted)?.code == .interrupted)
    let resume = request(source, workspace.path("out")) { $0.resume = true }
    #expect(failure(of: resume, willStart: change)?.code == .inputOutput)
    let journal = String(decoding: try workspace.contents(".out.partial/journal"), as: UTF8.self)
    #expect(journal.hasSuffix("{\"changed\":true}\n"))
    try whole.write(to: URL(filePath: "\(source)/model.safetensors"))
    #expect(failure(of: resume)?.code == .conflict)
  }

  /// A file of the same name that takes the place of the one that is read isn't looked at.
  @Test func aSourceThatIsReplacedIsReadToItsEnd() throws {
    let workspace = try Workspace()
    let source = try ModelSample("gpt2").write(workspace, "in")
    try convert(source, workspace.path("whole"), dtype: .f16)
    let replace: @Sendable () -> Void = {
      try? Data("another".utf8).write(
        to: URL(filePath: "\(source)/model.safetensors"), options: .atomic)
    }
    let error = failure(
      of: request(source, workspace.path("out"), dtype: .f16) { $0.hashesInputs = true },
      willStart: replace)
    #expect(error == nil)
    #expect(
      try workspace.contents("out/model.safetensors")
        == workspace.contents("whole/model.safetensors"))
  }
}
