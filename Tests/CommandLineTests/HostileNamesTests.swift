import Foundation
import TensorModel
import TestSupport
import Testing

/// Names and paths can't forge lines, control a terminal, or break out of a command that a hint shows.
@Suite struct HostileNamesTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// What a name may try.
  static let evil =
    "a\u{9b}31m\u{1b}[2J\u{202e}\u{85}\u{2028}\r\nok; 35 tensors\n'\"`$(touch Q)"
  /// The same where the name is one of a file, which has no slash.
  static let evilFile = "it's \u{1b}[2J\u{202e}\nok; touch Q\n$(touch Q)"

  /// Whether all that was printed is harmless: no control but line feeds, and no line that the name has made.
  private func check(_ outcome: Weighbridge.Outcome, _ arguments: [String]) {
    for text in [outcome.text, outcome.errors] {
      let isHarmless = text.unicodeScalars.allSatisfy {
        $0 == "\n" || printable("\($0)") == "\($0)"
      }
      #expect(isHarmless, "\(arguments): \(text.debugDescription)")
      let lines = text.split(separator: "\n")
      let isForged = lines.contains { $0.hasPrefix("ok; 35") || $0.hasPrefix("ok; touch") }
      #expect(!isForged, "\(arguments): \(text)")
    }
    #expect((0...2).contains(outcome.code), "\(arguments)")
    guard outcome.code == 2 else { return }
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("hint: ") }, "\(arguments): \(outcome.errors)")
  }

  private func run(_ arguments: String...) throws {
    check(try Weighbridge.run(arguments), arguments)
  }

  @Test func namesOfTensors() throws {
    let tensors = [
      SampleTensor(Self.evil, "F32", [2], Data(repeating: 0, count: 8)),
      SampleTensor("\(Self.evil)2", "BOOL", [2], Data([7, 1])),
    ]
    let file = try workspace.write(
      "x.safetensors", SafetensorsSample(tensors, metadata: [Self.evil: Self.evil]).fileContents)
    let other = try workspace.write(
      "y.safetensors",
      SafetensorsSample([SampleTensor(Self.evil, "F32", [1], Data(repeating: 1, count: 4))])
        .fileContents)
    for more in [[], ["--tensors"], ["--statistics", "--digests"], ["--json"]] {
      let arguments = ["inspect", file] + more
      check(try Weighbridge.run(arguments), arguments)
    }
    try run("verify", file)
    try run("verify", file, "--json")
    try run("verify", file, "--against", other)
    try run("compare", file, other)
    try run("compare", file, other, "--json")
    try run("convert", file, workspace.path("o"), "--dry-run", "--dtype", "f16")
    try run("convert", file, workspace.path("o"), "--dry-run", "--json")
    try run("convert", file, workspace.path("o.gguf"))
    try run("convert", file, workspace.path("o.npz"))
    try run("convert", file, workspace.path("o.store"))
    try run("convert", file, workspace.path("o"), "--json")
    try run("forward", file, "--tokens", "1,2")
    try run("quantize", file, workspace.path("q.gguf"), "--scheme", "Q4_K_M")
  }

  @Test func headersThatAreWrong() throws {
    let name = try #require(String(data: JSONEncoder().encode(Self.evil), encoding: .utf8))
    let headers = [
      "{\(name):{}}", "{\(name):1}", "{\(name):{\(name):1}}",
      "{\(name):{\"dtype\":\(name),\"shape\":[],\"data_offsets\":[0,0]}}",
      "{\(name):{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,0]}}",
      "{\(name):{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
      "{\"__metadata__\":{\(name):1}}", "{\"__metadata__\":{\(name):\"\",\(name):\"\"}}",
      "{\(name):{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\(name):{}}",
    ]
    for header in headers {
      let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
      let file = try workspace.write("\(Self.evilFile).safetensors", length + Data(header.utf8))
      try run("inspect", file)
      try run("verify", file)
    }
  }

  @Test func indexesAndConfigurations() throws {
    let folder = try workspace.folder(Self.evilFile)
    let name = try #require(String(data: JSONEncoder().encode(Self.evil), encoding: .utf8))
    let documents = [
      "{\"weight_map\":{\(name):\(name)}}", "{\"weight_map\":{\(name):1}}",
      "{\"weight_map\":{\(name):\"x.safetensors\",\(name):\"\"}}", "{\(name)", "[\(name)]",
    ]
    for document in documents {
      try workspace.write("\(Self.evilFile)/model.safetensors.index.json", Data(document.utf8))
      try run("inspect", folder)
      try run("verify", folder)
      try run("verify", folder, "--json")
    }
    try workspace.remove("\(Self.evilFile)/model.safetensors.index.json")
    let source = fixture("huggingface/gpt2")
    try workspace.copy("\(source)/model.safetensors", to: "\(Self.evilFile)/model.safetensors")
    for document in [
      "{\"model_type\":\(name)}", "{\"model_type\":\"gpt2\",\"n_layer\":\(name)}", "{\(name):",
      "{\"model_type\":\"gpt2\",\(name):\(name),\"architectures\":[\(name)]}",
    ] {
      try workspace.write("\(Self.evilFile)/config.json", Data(document.utf8))
      try run("inspect", folder)
      try run("inspect", folder, "--json")
      try run("verify", folder)
      try run("convert", folder, workspace.path("out"), "--dry-run")
      try run("forward", folder, "--tokens", "1")
    }
  }

  @Test func otherFormats() throws {
    var builder = ZipBuilder([.init("\(Self.evil).npy", [1, 2, 3]), .init(Self.evil, [1])])
    for crc in [builder.entries[0].crc, 1] {
      builder.entries[0].crc = crc
      let file = try workspace.write("\(Self.evilFile).npz", Data(builder.bytes))
      try run("inspect", file)
      try run("verify", file)
    }
    try run("inspect", try workspace.write("\(Self.evilFile).npz", Data("PK\u{3}\u{4}".utf8)))
    try run("inspect", try workspace.write("\(Self.evilFile).gguf", Data("GGUF".utf8)))
    try run("inspect", try workspace.write("\(Self.evilFile).pt", Data([0x80, 2, 0x2e])))
    try run("inspect", try workspace.write("\(Self.evilFile).tar", Data(repeating: 0, count: 1024)))
    try run("inspect", try workspace.write(Self.evilFile, Data()))
  }

  @Test func pathsAndArguments() throws {
    let evil = workspace.path(Self.evilFile)
    let source = fixture("huggingface/gpt2")
    try run("inspect", evil)
    try run("verify", evil)
    try run("verify", source, "--against", evil)
    try run("inspect", source, "--config", evil)
    try run("inspect", source, "--spool", evil)
    try run("inspect", source, "--\(Self.evilFile)")
    try run("inspect", source, "--threads=\(Self.evilFile)")
    try run("inspect", source, Self.evilFile)
    try run(Self.evilFile)
    try run("convert", source, workspace.path("out"), "--to", Self.evilFile)
    try run("convert", source, "\(evil).pt")
    try run("forward", source, "--tokens", Self.evilFile)
    try run("forward", source, "--tokens-file", evil)
    try run("compare", source, evil)
  }

  /// What a shell makes of the command at the end of a hint's line.
  private func words(after command: String, in errors: String) throws -> [String] {
    let line = try #require(errors.split(separator: "\n").first { $0.contains(command) })
    let arguments = try #require(line.components(separatedBy: command).last)
    let output = Pipe()
    let process = Process()
    process.executableURL = URL(filePath: "/bin/bash")
    process.arguments = ["-c", "printf '%s\\0' \(arguments)"]
    process.currentDirectoryURL = URL(filePath: workspace.path)
    process.standardOutput = output
    try process.run()
    process.waitUntilExit()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    return data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
  }

  @Test(arguments: ["it's; touch Q", "-x", evilFile, "a b", "~", "*"])
  func commandsInHintsReachTheShellWhole(name: String) throws {
    let source = fixture("huggingface/gpt2")
    let arguments = ["convert", "--to", "safetensors", "--", source, "\(name)/x"]
    let absent = try Weighbridge.run(arguments, directory: workspace.path)
    #expect(absent.code == 2)
    #expect(try words(after: "mkdir -p ", in: absent.errors).filter { $0 != "--" } == [name])
    let neither = ["convert", fixture("npz/small.npz"), "\(workspace.path)/\(name)"]
    let commands = try Weighbridge.run(neither)
    if commands.errors.contains("weighbridge convert --to store ") {
      #expect(
        try words(after: "weighbridge convert --to store ", in: commands.errors)
          == Array(neither.dropFirst()))
    }
    #expect(!workspace.has("Q"))
  }
}
