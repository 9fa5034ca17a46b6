import Foundation
import TestSupport
import Testing

/// Destinations as the command line meets them.
@Suite struct DestinationTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private let source = fixture("huggingface/gpt2")

  @Test(arguments: ["/proc/out", "/proc/self/out", "/dev/full/out", "/dev/null", "/dev/full"])
  func thatCantBeWrittenIsAnError(destination: String) throws {
    let outcome = try Weighbridge.run("convert", source, destination, "--to", "hf")
    #expect(outcome.code == 2)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.contains("error: "))
    #expect(outcome.errors.contains("/proc") || outcome.errors.contains("/dev"))
    #expect(outcome.errors.contains("hint: "))
  }

  @Test func thatIsAPipeIsNeverReplaced() throws {
    #expect(mkfifo(workspace.path("pipe"), 0o600) == 0)
    let outcome = try Weighbridge.run(
      "convert", source, workspace.path("pipe"), "--to", "hf", "--force")
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("can't be replaced"))
    #expect(workspace.names() == ["pipe"])
  }

  @Test func thatHoldsTheConfigurationIsNeverReplaced() throws {
    try workspace.folder("out")
    let path = try workspace.write("out/config.json", Data("{}".utf8))
    let outcome = try Weighbridge.run(
      "convert", source, workspace.path("out"), "--to", "hf", "--force", "--config", path)
    #expect(outcome.code == 2)
    #expect(workspace.names(in: "out") == ["config.json"])
  }

  @Test func belowAFileIsAnError() throws {
    let file = try workspace.write("file", Data())
    let outcome = try Weighbridge.run("convert", source, "\(file)/out", "--to", "hf")
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("hint: "))
    #expect(workspace.names() == ["file"])
  }

  /// 100 blocks of 512 or 1024 bytes: not enough for the weights.
  @Test func ofLimitedSizeKeepsTheWork() throws {
    let arguments = ["convert", source, workspace.path("out"), "--to", "hf"]
    let outcome = try Weighbridge.run(arguments, shell: "ulimit -f 100")
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("ulimit -f"))
    #expect(outcome.errors.contains("--resume"))
    #expect(workspace.names() == [".out.partial"])
    #expect(try Weighbridge.run(arguments + ["--resume"]).code == 0)
    #expect(workspace.names() == ["out"])
  }

  @Test func existsAndIsKept() throws {
    try workspace.folder("out")
    // What a download has left, which nobody loses anything with.
    let pointer = Data("version https://git-lfs.github.com/spec/v1\n".utf8)
    try workspace.write("out/model.safetensors", pointer)
    let arguments = ["convert", source, workspace.path("out"), "--dtype", "f16"]
    let outcome = try Weighbridge.run(arguments)
    #expect(outcome.code == 2)
    #expect(outcome.errors.contains("--force"))
    #expect(workspace.names(in: "out") == ["model.safetensors"])
    let replacing = try Weighbridge.run(arguments + ["--force"])
    #expect(replacing.code == 0 && replacing.errors.contains("replaces"))
    #expect(try workspace.contents("out/model.safetensors") != pointer)
    #expect(workspace.names() == ["out"])
  }

  @Test func isTheSameFromAFileAndFromStandardInput() throws {
    let options = ["--to", "safetensors", "--dtype", "f32", "--config", configuration]
    let file = try Weighbridge.run(["convert", archive, workspace.path("file")] + options)
    #expect(file.code == 0)
    let run = try Weighbridge.Run(
      ["convert", "-", workspace.path("piped")] + options, input: archive)
    #expect(try run.outcome().code == 0)
    #expect(
      try workspace.contents("file/model.safetensors")
        == workspace.contents("piped/model.safetensors"))
    let certificate = try JSONSerialization.jsonObject(
      with: workspace.contents("piped/weighbridge-certificate.json"))
    let inputs = (certificate as? [String: Any])?["inputs"] as? [[String: Any]]
    #expect(inputs?.map { $0["name"] as? String } == ["-"])
    #expect(workspace.names() == ["file", "piped"])
  }

  /// What was unpacked from standard input stays for --resume; another archive must not be taken for it.
  @Test(arguments: [false, true])
  func fromStandardInputCanBeResumed(withAnotherArchive: Bool) throws {
    let arguments = [
      "convert", "-", workspace.path("out"), "--to", "hf", "--dtype", "f32", "--config",
      configuration,
    ]
    // 500 KB: enough for the unpacked archive, not for the weights in F32.
    let stopped = try Weighbridge.Run(arguments, input: archive, shell: "ulimit -f 1000").outcome()
    #expect(stopped.code == 2)
    #expect(stopped.errors.contains("--resume"))
    #expect(workspace.names(in: ".out.partial").contains("spool-stdin.tar"))
    let other = fixture("mesh-transformer/s8_trained_slim/step.tar.zstd")
    let resumed = try Weighbridge.Run(
      arguments + ["--resume"], input: withAnotherArchive ? other : archive
    ).outcome()
    // What was unpacked counts; standard input can't be compared with it, and the tool says so.
    #expect(resumed.errors.contains("standard-input-not-read"))
    #expect(resumed.code == 0)
    #expect(workspace.names() == ["out"])
    #expect(workspace.names(in: "out").count == 3)
  }

  @Test func ofAnInterruptedReplacementCanBeResumed() throws {
    try workspace.folder("out")
    // What a download has left, which nobody loses anything with.
    let pointer = Data("version https://git-lfs.github.com/spec/v1\n".utf8)
    try workspace.write("out/model.safetensors", pointer)
    let arguments = ["convert", source, workspace.path("out"), "--to", "hf"]
    let stopped = try Weighbridge.run(arguments + ["--force"], shell: "ulimit -f 100")
    #expect(stopped.code == 2)
    #expect(stopped.errors.contains("--resume"))
    #expect(workspace.names(in: "out") == ["model.safetensors"])
    // As the hint says: the same command, with --resume.
    let same = try Weighbridge.run(arguments + ["--force", "--resume"])
    let without = try Weighbridge.run(arguments + ["--resume"])
    #expect(same.code == 0 || without.code == 0)
  }

  @Test(arguments: ["out", "./out", "out/", "../run/out", "out.safetensors", "./out.safetensors"])
  func mayBeRelative(destination: String) throws {
    try workspace.folder("run")
    let arguments = ["convert", source, destination, "--to", "hf"]
    let directory = workspace.path("run")
    let stopped = try Weighbridge.run(arguments, shell: "ulimit -f 100", directory: directory)
    #expect(stopped.code == 2)
    #expect(workspace.names(in: "run").count == 1)
    #expect(try Weighbridge.run(arguments + ["--resume"], directory: directory).code == 0)
    let isFile = destination.hasSuffix(".safetensors")
    #expect(
      workspace.names(in: "run")
        == (isFile ? ["out.certificate.json", "out.safetensors"] : ["out"]))
    #expect(workspace.names() == ["run"])
  }

  @Test func isWrittenByOneOfSeveralAtATime() throws {
    let arguments = ["convert", source, workspace.path("out"), "--dtype", "f16", "--quiet"]
    let runs = try (0..<4).map { _ in try Weighbridge.Run(arguments) }
    let outcomes = try runs.map { try $0.outcome() }
    #expect(outcomes.contains { $0.code == 0 })
    for outcome in outcomes where outcome.code != 0 {
      #expect(outcome.code == 2)
      #expect(outcome.errors.hasPrefix("error: "))
    }
    #expect(try Weighbridge.run("verify", workspace.path("out")).code == 0)
    #expect(workspace.names() == ["out"])
  }

  @Test func thatIsALeadingDashNeedsNoTrick() throws {
    let outcome = try Weighbridge.run(
      "convert", source, "--to", "hf", "--", workspace.path("-out"))
    #expect(outcome.code == 0)
    #expect(workspace.has("-out/model.safetensors"))
  }
}
