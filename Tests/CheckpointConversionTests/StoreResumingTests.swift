import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Interrupting a conversion to a store and going on after its last finished volume.
@Suite struct StoreResumingTests {
  private let workspace: Workspace
  /// Tensors of each volume.
  private static let volumes = [["a"], ["b", "c", "d"], ["e"]]

  private static let source: Data? = {
    var random = SampleRandom(seed: 9)
    return try? SafetensorsSample([
      SampleTensor("a", "F32", [60, 500], random.floats(30_000)),
      SampleTensor("b", "F32", [40, 500], random.floats(20_000)),
      SampleTensor("c", "F32", [50], random.floats(50)), SampleTensor("d", "F32", [0], Data()),
      SampleTensor("e", "F32", [60, 500], random.floats(30_000)),
    ]).fileContents
  }()

  init() throws {
    workspace = try Workspace()
    try workspace.write("in/model.safetensors", try #require(Self.source))
    try workspace.write("in/config.json", Data("{}".utf8))
  }

  private func request(
    _ compression: ConversionPlan.Compression = .zstd(level: nil), interruptedAt call: Int = 0,
    _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) -> ConversionRequest {
    CheckpointConversionTests.request(
      workspace.path("in"), workspace.path("out"), resources: Interruption(at: call).resources()
    ) {
      $0.format = "store"
      $0.settings.compression = compression
      $0.settings.sharding = .maximumByteCount(120_000)
      edit(&$0)
    }
  }

  /// The files of an uninterrupted conversion, and how often it asks whether to stop.
  private func whole(
    _ compression: ConversionPlan.Compression = .zstd(level: nil)
  ) throws -> (files: [String: Data], callCount: Int) {
    let never = Interruption(at: 0)
    try convert(request(compression) { $0.resources = never.resources() })
    let files = try workspace.snapshot(of: "out")
    try workspace.remove("out")
    #expect(files.keys.filter { $0.hasPrefix("weights-") }.count == 3)
    return (files, never.callCount)
  }

  @discardableResult
  private func resume(
    _ whole: [String: Data], _ compression: ConversionPlan.Compression = .zstd(level: nil),
    _ sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Int {
    let outcome = try convert(request(compression) { $0.resume = true })
    #expect(try workspace.snapshot(of: "out") == whole, sourceLocation: sourceLocation)
    #expect(workspace.names() == ["in", "out"], sourceLocation: sourceLocation)
    return outcome.resumedTensorCount
  }

  @Test(arguments: [ConversionPlan.Compression.zstd(level: nil), .uncompressed])
  func worksFromEveryMoment(compression: ConversionPlan.Compression) throws {
    let (files, calls) = try whole(compression)
    #expect(calls >= 5)
    var counts: [Int] = []
    for call in 1...calls {
      let error = failure(of: request(compression, interruptedAt: call))
      #expect(error?.code == .interrupted && error?.hint?.contains("--resume") == true)
      #expect(workspace.names() == [".out.partial", "in"])
      #expect(!workspace.has(".out.partial/store.json"))
      counts.append(try resume(files, compression))
      #expect(try verification(of: workspace.path("out")).findings.isEmpty)
      try workspace.remove("out")
    }
    #expect(counts == counts.sorted())
    // Only whole volumes are taken over.
    #expect(Set(counts) == [0, 1, 4])
  }

  /// Leaves all volumes and the journal.
  private func interruptAtTheEnd(_ callCount: Int) {
    let error = failure(of: request(interruptedAt: callCount + 1) { $0.hashesInputs = true })
    #expect(error?.code == .interrupted)
  }

  @Test func takesOverEveryVolumeOfAFinishedRun() throws {
    let (files, calls) = try whole()
    interruptAtTheEnd(calls)
    #expect(try resume(files) == 5)
  }

  @Test(arguments: 0..<3)
  func redoesVolumesThatHaveChanged(volume: Int) throws {
    let (files, calls) = try whole()
    let name = ".out.partial/weights-0000\(volume + 1).h5"
    let damages: [(inout Data) -> Void] = [
      { $0[$0.count - 1] ^= 1 }, { $0[100] ^= 1 }, { $0[$0.count / 2] ^= 1 }, { $0.removeLast() },
      { $0.append(0) }, { $0 = Data() },
    ]
    for damage in damages {
      interruptAtTheEnd(calls)
      try workspace.edit(name) { damage(&$0) }
      #expect(try resume(files) == 5 - Self.volumes[volume].count)
      try workspace.remove("out")
    }
    interruptAtTheEnd(calls)
    try workspace.remove(name)
    #expect(try resume(files) == 5 - Self.volumes[volume].count)
  }

  /// The journal then has two claims of one volume.
  @Test func countsVolumesOnceThatWereDoneTwice() throws {
    let (files, calls) = try whole()
    interruptAtTheEnd(calls)
    try workspace.edit(".out.partial/weights-00001.h5") { $0[100] ^= 1 }
    let resumed = Interruption(at: 0)
    try convert(
      request {
        $0.resume = true
        $0.resources = resumed.resources()
      })
    try workspace.remove("out")
    interruptAtTheEnd(calls)
    try workspace.edit(".out.partial/weights-00001.h5") { $0[100] ^= 1 }
    let error = failure(
      of: request(interruptedAt: resumed.callCount + 1) {
        $0.resume = true
        $0.hashesInputs = true
      })
    #expect(error?.code == .interrupted)
    #expect(try resume(files) == 5)
  }

  @Test func journalIsGoodForWholeLines() throws {
    let (files, calls) = try whole()
    interruptAtTheEnd(calls)
    let journal = try workspace.contents(".out.partial/journal")
    let ends = journal.indices.filter { journal[$0] == 10 }.map { $0 + 1 }
    // A header, five tensors and three volumes.
    #expect(ends.count == 9)
    try workspace.move(".out.partial", to: "kept")
    var counts: [Int] = []
    for end in ends {
      for cut in [end, end - 1, end - 20] {
        try workspace.copy(workspace.path("kept"), to: ".out.partial")
        try workspace.write(".out.partial/journal", journal.prefix(cut))
        guard cut >= ends[0] else {
          // Whose the other files are is what the first line says.
          #expect(failure(of: request { $0.resume = true })?.code == .conflict)
          try workspace.remove(".out.partial")
          continue
        }
        let outcome = try convert(request { $0.resume = true })
        #expect(try workspace.snapshot(of: "out") == files)
        if cut == end { counts.append(outcome.resumedTensorCount) }
        try workspace.remove("out")
      }
    }
    #expect(counts == [0, 0, 1, 1, 1, 1, 4, 4, 5])
  }

  @Test func refusesAnotherCompressionAndKeepsTheWork() throws {
    let (files, calls) = try whole()
    interruptAtTheEnd(calls)
    let error = failure(of: request(.zstd(level: 1)) { $0.resume = true })
    #expect(error?.code == .conflict && !workspace.has("out"))
    #expect(try resume(files) == 5)
  }

  @Test func worksInAnExistingEmptyDirectory() throws {
    let (files, calls) = try whole()
    for call in 1...calls {
      try workspace.folder("out")
      #expect(failure(of: request(interruptedAt: call))?.code == .interrupted)
      #expect(workspace.names(in: "out") == [".out.partial"])
      try resume(files)
      try workspace.remove("out")
    }
  }

  /// Files get their names one by one; the manifest, without which nothing is a store, is the last.
  @Test func isCompleteOnlyWithItsManifest() throws {
    let (files, calls) = try whole()
    let order = [
      "weights-00001.h5", "weights-00002.h5", "weights-00003.h5", "assets",
      "weighbridge-certificate.json", "chunks.json", "weights.h5", "store.json",
    ]
    for moved in order.indices {
      try workspace.folder("out")
      interruptAtTheEnd(calls)
      for (name, data) in files where name != "assets" {
        try workspace.write("out/.out.partial/\(name)", data)
      }
      for name in order.prefix(moved) {
        try workspace.move("out/.out.partial/\(name)", to: "out/\(name)")
      }
      #expect(throws: CheckpointError.self) { try Source(workspace.path("out")) }
      #expect(try resume(files) == 5, "after \(moved) files")
      try workspace.remove("out")
    }
  }
}
