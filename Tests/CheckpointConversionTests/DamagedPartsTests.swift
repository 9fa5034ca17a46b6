import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Folders of parts that somebody or something has damaged: each is told as it is, with what to do, and doing that helps.
@Suite struct DamagedPartsTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private var destination: String { workspace.path("out") }
  private var folder: String { workspace.path(".out.partial/parts") }

  private func request(
    _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) -> ConversionRequest {
    CheckpointConversionTests.request(
      Fixtures.path("huggingface/llama"), destination, resources: smallResources
    ) {
      $0.format = "safetensors"
      edit(&$0)
    }
  }

  @discardableResult
  private func part(
    _ text: String, _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> PartOutcome {
    try ConversionJob(request(edit)).run(
      part: try #require(PartChoice(text)), variables: [:], .silent, willWork: { _ in })
  }

  private func failure<Result>(_ body: () throws -> Result) -> CheckpointError? {
    #expect(throws: CheckpointError.self) { _ = try body() }
  }

  @Test(arguments: [nil, "", "{\"head\":", "{}"])
  func aPartWithoutAUsableRecordIsCalledSo(_ text: String?) throws {
    try part("1/2")
    try part("2/2")
    let path = "\(folder)/00002-of-00002"
    let record = URL(filePath: "\(path)/part.json")
    if let text {
      try Data(text.utf8).write(to: record)
    } else {
      try FileManager.default.removeItem(at: record)
    }
    let errors = [
      failure { try part("2/2") }, failure { try part("2/2") { $0.resume = true } },
      failure { try ConversionJob(request()).missingParts(of: 2) },
      failure { try PartsMerge(destination, smallResources).run() },
      try PartsStatus(of: destination).damages.first,
    ]
    for error in errors {
      #expect(error?.code == .corrupt && error?.file == path)
      #expect(error?.hint?.contains("rm -r") == true)
    }
    let status = try PartsStatus(of: destination)
    #expect(!status.complete && status.missing == "2")
    #expect(status.parts.map(\.state) == [.complete, .unfinished])
    try FileManager.default.removeItem(atPath: path)
    #expect(try !part("2/2").wasComplete)
    _ = try PartsMerge(destination, smallResources).run()
  }

  @Test(arguments: ["00001-of-00002/notes.txt", "00002-of-00002/files/notes.txt"])
  func filesOfOthersInAPartStay(_ name: String) throws {
    try part("1/2")
    try part("2/2")
    let path = "\(folder)/\(name)"
    try Data("mine".utf8).write(to: URL(filePath: path))
    let error = failure { try PartsMerge(destination, smallResources).run() }
    #expect(error?.code == .conflict && error?.found?.hasSuffix("notes.txt") == true)
    #expect(fileExists(path) && !fileExists(destination))
    try FileManager.default.removeItem(atPath: path)
    _ = try PartsMerge(destination, smallResources).run()
  }

  @Test func aPlanThatIsGoneIsWrittenAgain() throws {
    try part("1/2")
    try part("2/2")
    try FileManager.default.removeItem(atPath: "\(folder)/plan.json")
    let error = failure { try PartsMerge(destination, smallResources).run() }
    #expect(error?.code == .missing && error?.hint?.contains("parts.json") == true)
    #expect(try PartsStatus(of: destination).damages == [error].compactMap { $0 })
    try FileManager.default.removeItem(atPath: "\(folder)/parts.json")
    #expect(failure { try PartsStatus(of: destination) }?.expected == "parts.json")
    #expect(try part("1/2").wasComplete)
    #expect(try PartsStatus(of: destination).damages == [])
    _ = try PartsMerge(destination, smallResources).run()
  }

  // MARK: Other work

  @Test func whatIsThereIsFoundAndWhatWasAskedForExpected() throws {
    try part("1/2")
    let error = failure { try part("1/3") }
    #expect(error?.expected?.hasPrefix("3 parts of plan sha256:") == true)
    #expect(error?.found?.hasPrefix("2 parts of plan sha256:") == true)
    let without = failure { try convert(request { $0.force = true }) }
    #expect(without?.expected?.hasSuffix("without --part") == true)
    #expect(without?.found?.hasPrefix("2 parts of plan sha256:") == true)
    // Parts of hours aren't discarded beside others at work.
    #expect(without?.hint?.contains("which --force doesn't") == true)
    #expect(fileExists("\(folder)/00001-of-00002"))
  }

  @Test func theStandardSizeOfFilesIsNoOtherPlan() throws {
    try part("1/2")
    try part("2/2") { $0.settings.sharding = .maximumByteCount(5_000_000_000) }
    _ = try PartsMerge(destination, smallResources).run()
    let certificate = try Data(
      contentsOf: URL(filePath: "\(destination)/\(Certificate.fileName)"))
    var alone = request { $0.settings.sharding = .maximumByteCount(5_000_000_000) }
    alone.destination = workspace.path("alone")
    try convert(alone)
    #expect(
      try certificate
        == Data(contentsOf: URL(filePath: workspace.path("alone/\(Certificate.fileName)"))))
    #expect(throws: CheckpointError.self) {
      try part("1/2") { $0.settings.sharding = .maximumByteCount(4_000_000_000) }
    }
  }

  @Test func aSourceThatChangedShowsTimesThatDiffer() throws {
    try FileManager.default.copyItem(
      atPath: Fixtures.path("huggingface/llama"), toPath: workspace.path("model"))
    let file = workspace.path("model/model.safetensors")
    func setTime(_ time: String) throws {
      let touch = Process()
      touch.executableURL = URL(filePath: "/usr/bin/touch")
      touch.arguments = ["-d", "2023-11-14T22:\(time)Z", file]
      try touch.run()
      touch.waitUntilExit()
    }
    try setTime("13:20.000000005")
    try part("1/2") { $0.source = workspace.path("model") }
    try setTime("13:20.000000007")
    let close = failure { try part("2/2") { $0.source = workspace.path("model") } }
    #expect(close?.expected != close?.found)
    #expect(close?.expected?.hasSuffix("2023-11-14T22:13:20Z and 5 ns") == true)
    try setTime("15:00")
    let far = failure { try part("2/2") { $0.source = workspace.path("model") } }
    #expect(far?.found?.hasSuffix("changed 2023-11-14T22:15:00Z") == true)
  }

  // MARK: Archives

  @Test func theHintUnpacksWhatIsThere() throws {
    let archive = Fixtures.path("bad/tarzst/ok_ustar_longname.tar.zst")
    try workspace.write("folder/it is.tar.zst", Data(contentsOf: URL(filePath: archive)))
    let error = failure { try part("1/2") { $0.source = workspace.path("folder") } }
    #expect(error?.code == .usage)
    #expect(
      error?.hint?.contains("zstd -dc '\(workspace.path("folder/it is.tar.zst"))' | tar") == true)
  }
}
