import Foundation
import TestSupport
import Testing

/// The step of `action.yml` that verifies, run as GitHub's runner runs it.
@Suite struct PipelineScriptTests {
  private let workspace: Workspace
  private let path: String

  init() throws {
    workspace = try Workspace()
    path = try workspace.write(
      "m.safetensors",
      SafetensorsSample([SampleTensor("a", [2, 2], floats: [0, 0, 0, 0])]).fileContents)
  }

  /// Runs it with inputs; gives its exit code, and the SARIF file that it names.
  private func run(
    _ inputs: [String: String]
  ) throws -> (code: Int32, sarif: String?, text: String) {
    try workspace.write("output", Data())
    let process = Process()
    process.executableURL = Fixtures.packageRoot.appending(path: "scripts/pipelines/github-verify")
    process.environment = [
      "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "RUNNER_TEMP": workspace.path,
      "GITHUB_OUTPUT": workspace.path("output"), "WEIGHBRIDGE_PATH": path,
      "WEIGHBRIDGE_EXECUTABLE": Weighbridge.executable.path,
    ].merging(inputs) { $1 }
    let pipe = Pipe()
    (process.standardOutput, process.standardError) = (pipe, FileHandle.nullDevice)
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let output = String(decoding: try workspace.contents("output"), as: UTF8.self)
    let line = output.split(separator: "\n").first { $0.hasPrefix("sarif-file=") }
    return (
      process.terminationStatus, line.map { String($0.dropFirst("sarif-file=".count)) }, text
    )
  }

  @Test func aFileOfAnEarlierRunIsNotGivenOut() throws {
    let sarif = workspace.path("out.sarif")
    let first = try run(["WEIGHBRIDGE_SARIF_FILE": sarif])
    #expect(first.code == 0 && first.sarif == sarif)
    let second = try run(["WEIGHBRIDGE_SARIF_FILE": sarif, "WEIGHBRIDGE_CHECKS": "no-such-check"])
    #expect(second.code == 2 && second.sarif == nil && !workspace.has("out.sarif"))
    try workspace.write("out.sarif", Data("mine".utf8))
    let foreign = try run(["WEIGHBRIDGE_SARIF_FILE": sarif])
    #expect(foreign.code == 2 && foreign.sarif == nil)
    #expect(try workspace.contents("out.sarif") == Data("mine".utf8))
  }

  /// YAML has several spellings of a truth value, and a typing error isn't one.
  @Test(arguments: [
    ("true", 1), ("True", 1), ("TRUE", 1), ("false", 0), ("False", 0), ("", 0), ("ture", 2),
  ])
  func strictIsReadInAnySpelling(_ value: String, _ code: Int32) throws {
    let outcome = try run(["WEIGHBRIDGE_STRICT": value])
    #expect(outcome.code == code, "\(outcome.text)")
    #expect(code != 2 || outcome.text.contains("strict is neither true nor false"))
  }
}
