import CheckpointFormats
import FileContainers
import Foundation
import Quantization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Work in parts: what is merged is what a single run writes.
@Suite struct PartsTests {
  /// A conversion that can be made in parts.
  struct Job: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let source: String
    let destination: String
    let edit: @Sendable (inout ConversionRequest) -> Void

    init(
      _ name: String, _ source: String, _ destination: String,
      _ edit: @escaping @Sendable (inout ConversionRequest) -> Void
    ) {
      testDescription = name
      self.source = Fixtures.path("huggingface/\(source)")
      self.destination = destination
      self.edit = edit
    }
  }

  private static func quantized(
    _ name: String, _ source: String, _ destination: String, _ format: String
  ) -> Job {
    Job(name, source, destination) {
      $0.format = format
      $0.settings.quantization = QuantizationScheme(named: name).map { QuantizationRequest($0) }
    }
  }

  static let jobs = [
    Job("files of safetensors", "llama", "out") {
      $0.settings.sharding = .maximumByteCount(40_000)
    },
    Job("one file of safetensors in a folder", "llama", "out") { $0.settings.dtype = .f16 },
    Job("one file of safetensors", "llama", "out.safetensors") { _ in },
    Job("npz", "llama", "out.npz") { $0.format = "npz" },
    Job("npz in a folder", "llama", "out") { $0.format = "npz" },
    Job("Mesh-Transformer", "gptj", "out") {
      $0.format = "mesh-transformer"
      $0.settings.sharding = .count(2)
    },
    Job("a store", "llama", "out.store") {
      $0.format = "store"
      $0.settings.sharding = .maximumByteCount(40_000)
    },
    Job("a store that isn't compressed", "llama", "out.store") {
      $0.format = "store"
      $0.settings.sharding = .maximumByteCount(40_000)
      $0.settings.compression = .uncompressed
    },
    Job("GGUF", "gptj", "out.gguf") { $0.format = "gguf" },
    Job("a set of GGUF", "gptj", "out.gguf") {
      $0.format = "gguf"
      $0.settings.sharding = .maximumByteCount(40_000)
    },
    quantized("q4_0", "gptj", "out.gguf", "gguf"),
    quantized("mlx-q4-g32", "llama", "out", "mlx"),
    quantized("fp8", "llama", "out", "safetensors"),
  ]

  private func request(
    _ job: Job, _ folder: String, resume: Bool = false, threads: Int = 2
  ) -> ConversionRequest {
    CheckpointConversionTests.request(
      job.source, "\(folder)/\(job.destination)",
      resources: EvaluationResources(memory: 64_000_000, threads: threads)
    ) {
      job.edit(&$0)
      $0.resume = resume
    }
  }

  private func run(_ request: ConversionRequest, _ part: String) throws -> PartOutcome {
    try ConversionJob(request).run(
      part: try #require(PartChoice(part)), variables: [:], .silent, willWork: { _ in })
  }

  @discardableResult
  private func merge(_ job: Job, _ folder: String) throws -> PartsMerge.Outcome {
    try PartsMerge("\(folder)/\(job.destination)", smallResources).run()
  }

  private func made(_ workspace: Workspace, _ name: String) throws -> String {
    try FileManager.default.createDirectory(
      atPath: workspace.path(name), withIntermediateDirectories: true)
    return workspace.path(name)
  }

  /// Bytes by relative path.
  private func tree(_ folder: String) throws -> [String: Data] {
    var tree: [String: Data] = [:]
    for path in try Directories.files(in: folder) {
      tree[String(path.dropFirst(folder.count + 1))] = try Data(
        contentsOf: URL(filePath: path))
    }
    return tree
  }

  private func expectEqual(_ found: String, _ expected: String, _ place: Comment) throws {
    let (found, expected) = (try tree(found), try tree(expected))
    #expect(Set(found.keys) == Set(expected.keys), place)
    #expect(found.keys.filter { found[$0] != expected[$0] } == [], place)
  }

  @Test(arguments: jobs) func partsInAnyOrderGiveASingleRunsBytes(_ job: Job) throws {
    let workspace = try Workspace()
    let whole = try made(workspace, "whole")
    let outcome = try convert(request(job, whole))
    var random = FixedRandom(seed: 11)
    for count in [1, 2, 3, 5, outcome.plan.groups.count + 3] {
      let folder = try made(workspace, "of-\(count)")
      for number in (1...count).shuffled(using: &random) {
        let done = try run(request(job, folder, threads: 1 + number % 2), "\(number)/\(count)")
        #expect(!done.wasComplete)
      }
      #expect(try tree(folder).keys.allSatisfy { $0.contains(".partial/") })
      try merge(job, folder)
      try expectEqual(folder, whole, "\(count) parts")
    }
  }

  @Test(arguments: jobs) func everyByteIsInOnePart(_ job: Job) throws {
    let workspace = try Workspace()
    let (_, plan) = try ConversionJob(request(job, workspace.path)).plan()
    for count in [2, 3, 7] {
      var groups: [Int] = []
      var covered = [[Range<Int>]](repeating: [], count: plan.weightFiles.count)
      for number in 1...count {
        let part = try #require(PartNumber(number, of: count))
        let share = PlanDivision(plan, partCount: count).share(of: part)
        groups += share.groups
        for (piece, file) in zip(share.pieces, share.plan.weightFiles) {
          let ranges = piece.ranges ?? [0..<plan.weightFiles[piece.file].byteCount]
          #expect(ranges.reduce(0) { $0 + $1.count } == file.byteCount)
          covered[piece.file] += ranges
        }
      }
      #expect(groups.sorted() == Array(plan.groups.indices))
      for (ranges, file) in zip(covered, plan.weightFiles) {
        var end = 0
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
          #expect(range.lowerBound == end)
          end = range.upperBound
        }
        #expect(end == file.byteCount)
      }
    }
  }

  // MARK: What is there already

  @Test func aCompletePartIsLeftAsItIs() throws {
    let workspace = try Workspace()
    let job = Self.jobs[0]
    _ = try run(request(job, workspace.path), "2/3")
    let before = try tree(workspace.path)
    #expect(try run(request(job, workspace.path), "2/3").wasComplete)
    #expect(try tree(workspace.path) == before)
  }

  @Test func otherWorkIsRefusedAndNamed() throws {
    let workspace = try Workspace()
    let job = Self.jobs[0]
    _ = try run(request(job, workspace.path), "1/3")
    for (part, edit) in [
      ("2/4", { (_: inout ConversionRequest) in }),
      ("2/3", { $0.settings.dtype = .f16 }), ("2/3", { $0.settings.sharding = .count(2) }),
      ("2/3", { $0.hashesInputs = true }),
    ] {
      var other = request(job, workspace.path)
      edit(&other)
      let error = #expect(throws: CheckpointError.self) { try run(other, part) }
      #expect(error?.code == .conflict)
    }
    let error = failure(of: request(job, workspace.path))
    #expect(error?.code == .conflict)
    #expect(error?.expected?.contains("sha256:") == true)
    #expect(error?.found?.contains("sha256:") == true)
  }

  @Test func missingPartsAreNamedAndNothingIsMade() throws {
    let workspace = try Workspace()
    let job = Self.jobs[0]
    for number in [1, 4, 5, 6, 8] { _ = try run(request(job, workspace.path), "\(number)/8") }
    let before = try tree(workspace.path)
    let error = #expect(throws: CheckpointError.self) { try merge(job, workspace.path) }
    #expect(error?.found == "without 2-3,7")
    #expect(try tree(workspace.path) == before)
    let status = try PartsStatus(of: workspace.path(job.destination))
    #expect(status.missing == "2-3,7")
    #expect(status.parts.map(\.state.rawValue.count).count == 8)
  }

  @Test func changedFilesAndHeadersAreFoundBeforeAnythingIsMade() throws {
    for (job, offset) in [(Self.jobs[0], 20), (Self.jobs[2], 20), (Self.jobs[3], 2)] {
      let workspace = try Workspace()
      for number in 1...2 { _ = try run(request(job, workspace.path), "\(number)/2") }
      let folder = workspace.path(".\(job.destination).partial/parts/00001-of-00002/files")
      let file = try #require(
        try Directories.files(in: folder).first {
          $0.contains(".safetensors") || $0.contains("npz")
        })
      var bytes = try Data(contentsOf: URL(filePath: file))
      bytes[offset] ^= 1
      try bytes.write(to: URL(filePath: file))
      let error = #expect(throws: CheckpointError.self) { try merge(job, workspace.path) }
      #expect(error?.code == .corrupt)
      #expect(error?.file == file)
      #expect(!fileExists(workspace.path(job.destination)))
    }
  }

  @Test func recordsThatWereTamperedWithAreRefused() throws {
    let workspace = try Workspace()
    let job = Self.jobs[2]
    for number in 1...2 { _ = try run(request(job, workspace.path), "\(number)/2") }
    let folder = workspace.path(".\(job.destination).partial/parts")
    for name in ["00001-of-00002/part.json", "plan.json", "parts.json"] {
      let url = URL(filePath: "\(folder)/\(name)")
      let bytes = try Data(contentsOf: url)
      for changed in [
        bytes.prefix(bytes.count / 2), Data(), Data("{}".utf8), Data("[\n\n]".utf8),
        Data(
          String(decoding: bytes, as: UTF8.self)
            .replacing("\"ranges\":[[0,", with: "\"ranges\":[[9223372036854775807,")
            .replacing("\"file\":0", with: "\"file\":-1").replacing(
              "\"group\":0", with: "\"group\":77"
            )
            .utf8),
      ] where changed != bytes {
        try Data(changed).write(to: url)
        #expect(throws: CheckpointError.self, "\(name)") { try merge(job, workspace.path) }
        #expect(!fileExists(workspace.path(job.destination)))
      }
      try bytes.write(to: url)
    }
    try merge(job, workspace.path)
  }

  @Test(arguments: jobs) func groupsAreWrittenAsAnEncoderWritesThem(_ job: Job) throws {
    let workspace = try Workspace()
    _ = try run(request(job, workspace.path), "1/2")
    let path = workspace.path(".\(job.destination).partial/parts/plan.json")
    let text = [UInt8](try Data(contentsOf: URL(filePath: path)))
    let lines = text.split(separator: UInt8(ascii: "\n")).dropFirst().dropLast()
    let groups = try RecordedPlan(parsing: text, path).groups
    #expect(groups.count > 10)
    // Lists of groups on lines, each line but the last with a comma.
    let written = lines.map { $0.last == UInt8(ascii: ",") ? $0.dropLast() : $0 }
    var place = 0
    for line in written {
      let count = try RecordedPlan.parsed([RecordedPlan.Group].self, line, path).count
      #expect(Array(line) == (try RecordedPlan.json(Array(groups[place..<place + count]))))
      place += count
    }
    #expect(place == groups.count)
  }

  @Test func groupsOfOddNamesAreReadAsTheyWere() throws {
    for name in ["a\"b", "a\\b", "a\n\t\u{1}b", "\u{7f}", "\u{2028}é🙂", ""] {
      let type = TensorType(.f32, Shape([2, 3]))
      let tensor = ConversionPlan.PlannedTensor(
        name: name, type: type, expression: .stored(name), file: 0, place: nil)
      let statement = TensorStatement(tensor, in: name)
      var group = try RecordedPlan.parsed(
        RecordedPlan.Group.self,
        [UInt8](try JSONEncoder().encode(["tensors": [statement]]))[...], "odd")
      group.chunk = [1, 2]
      group.filters = ["zstd"]
      let text = try RecordedPlan.Group.json([group, group])
      let read = try RecordedPlan.parsed([RecordedPlan.Group].self, text[...], "odd")
      #expect(read.map(\.tensors) == [[statement], [statement]])
      #expect(read[1].chunk == [1, 2] && read[1].filters == ["zstd"])
    }
  }

  @Test func inputDigestsAreSharedOut() throws {
    let workspace = try Workspace()
    let (whole, folder) = (try made(workspace, "whole"), try made(workspace, "parts"))
    var single = request(Self.jobs[0], whole)
    single.hashesInputs = true
    try convert(single)
    for number in 1...3 {
      var part = request(Self.jobs[0], folder)
      part.hashesInputs = true
      _ = try run(part, "\(number)/3")
    }
    try merge(Self.jobs[0], folder)
    try expectEqual(folder, whole, "with digests of the inputs")
  }

  // MARK: Attempts

  @Test func anInterruptedPartIsGoneOnWithByAnother() throws {
    let workspace = try Workspace()
    let (whole, folder) = (try made(workspace, "whole"), try made(workspace, "parts"))
    let job = Self.jobs[2]
    try convert(request(job, whole))
    var resumed = 0
    for stop in 1...12 {
      var part = request(job, folder)
      part.resume = true
      part.resources = Interruption(at: stop).resources()
      #expect(throws: CheckpointError.self) { try run(part, "1/2") }
      resumed += try Directories.names(in: "\(folder)/.\(job.destination).partial/parts")
        .count { $0.hasPrefix("00001-of-00002.") }
    }
    // One attempt, which each took over from the one before.
    #expect(resumed == 12)
    let done = try run(request(job, folder, resume: true), "1/2")
    #expect(done.resumedTensorCount > 0)
    _ = try run(request(job, folder), "2/2")
    try merge(job, folder)
    try expectEqual(folder, whole, "after interruptions")
  }

  @Test func whoIsTakenOverSaysSoAndHarmsNothing() throws {
    let workspace = try Workspace()
    let (whole, folder) = (try made(workspace, "whole"), try made(workspace, "parts"))
    let job = Self.jobs[0]
    try convert(request(job, whole))
    let interruption = Interruption(at: 0)
    let other = request(job, folder, resume: true)
    let part = try #require(PartChoice("1/2"))
    var slow = request(job, folder)
    slow.resources = EvaluationResources(memory: 64_000_000, threads: 1) {
      () throws(CheckpointError) in
      try interruption.resources().checkCancellation()
      guard interruption.callCount == 3 else { return }
      // Another process is started with the same part while this one is at work.
      _ = try ConversionJob(other).run(
        part: part, variables: [:], .silent, willWork: { _ in })
    }
    // The other one has finished it.
    #expect(try run(slow, "1/2").wasComplete)
    _ = try run(request(job, folder), "2/2")
    try merge(job, folder)
    try expectEqual(folder, whole, "after a part was taken over")
  }

  // MARK: A file system that answers late

  @Test(arguments: [jobs[0], jobs[2]])
  func renamesThatWereDoneAndAnswerThatNothingIsThereAreBelieved(_ job: Job) throws {
    let workspace = try Workspace()
    let (whole, folder) = (try made(workspace, "whole"), try made(workspace, "parts"))
    try convert(request(job, whole))
    try FileSystem.$operations.withValue(ResentRenames(besides: folder)) {
      for number in 1...2 { _ = try run(request(job, folder), "\(number)/2") }
    }
    // The last rename, of the whole, isn't one of those that are sent again in vain.
    try FileSystem.$operations.withValue(
      ResentRenames(besides: folder, only: ".partial/")
    ) { _ = try merge(job, folder) }
    try expectEqual(folder, whole, "with renames that were sent again")
  }

  // MARK: Refusals

  @Test func whatEachPartWouldReadAsAWholeIsRefused() throws {
    let workspace = try Workspace()
    var request = request(Self.jobs[0], workspace.path)
    request.source = "-"
    let error = #expect(throws: CheckpointError.self) { try run(request, "1/2") }
    #expect(error?.code == .usage)
    #expect(error?.hint?.contains("tar") == true)
    #expect(try tree(workspace.path).isEmpty)
  }
}
