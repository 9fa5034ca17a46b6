import Foundation
import TestSupport
import Testing

/// What `--base` and `--base-hint` take, and how their errors name the base.
@Suite struct BaseOptionTests {
  private let workspace: Workspace
  private let base: String
  private let fork: String

  init() throws {
    workspace = try Workspace()
    base = try ModelSample("gptj").write(workspace, "gptj")
    fork = try DifferenceCommandTests.fork(workspace, "fork", of: "gptj", by: 1)
  }

  private func make(_ kind: DifferenceCommandTests.Kind) throws -> String {
    let destination = workspace.path(kind.name)
    let outcome = try Weighbridge.run(
      ["convert", fork, destination, "--base", base, "--quiet"] + kind.options)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return destination
  }

  // MARK: What the base is called

  @Test func aHintNeedsADifference() throws {
    let whole = try Weighbridge.run(
      "convert", fork, workspace.path("y.store"), "--base-hint", "Q")
    #expect(whole.code == 2 && whole.errors.contains("--base-hint needs --base"))
    let path = try make(DifferenceCommandTests.Kind.all[0])
    let read = try Weighbridge.run(
      "convert", path, workspace.path("y.store"), "--base", base, "--base-hint", "Q")
    #expect(read.code == 2 && read.errors.contains("--base-hint"), "\(read.errors)")
    #expect(!workspace.has("y.store"))
  }

  /// Names that name nothing, and long ones, before anything is written.
  @Test(arguments: [
    "", " ", ".", "..", "./", "\u{200B}", "\t\n", String(repeating: "é", count: 128),
  ])
  func aHintNamesSomething(_ hint: String) throws {
    for destination in ["y.store", "weight_v000002"] {
      let outcome = try Weighbridge.run(
        ["convert", fork, workspace.path(destination), "--base", base, "--base-hint", hint]
          + (destination == "y.store" ? [] : ["--to", "weight-delta"]))
      #expect(
        outcome.code == 2 && outcome.errors.contains("--base-hint") && outcome.output.isEmpty,
        "\(outcome.errors)")
      #expect(!workspace.has(destination))
    }
  }

  @Test func anUpdateHasNoNameOfItsBase() throws {
    let outcome = try Weighbridge.run(
      "convert", fork, workspace.path("weight_v000002"), "--to", "weight-delta", "--base", base,
      "--base-hint", "Q")
    #expect(outcome.code == 2 && outcome.errors.contains("--base-hint is for stores"))
    #expect(!workspace.has("weight_v000002"))
  }

  private func hint(of path: String) throws -> String? {
    let document = try JSONSerialization.jsonObject(
      with: Weighbridge.run("inspect", path, "--json").output)
    return ((document as? [String: Any])?["base"] as? [String: Any])?["hint"] as? String
  }

  @Test func whiteSpaceAroundAHintIsNoPartOfIt() throws {
    let longest = String(repeating: "n", count: 255)
    for (place, (given, hint)) in [(" GPT J\n", "GPT J"), (longest, longest)].enumerated() {
      let path = workspace.path("h\(place).store")
      let outcome = try Weighbridge.run(
        "convert", fork, path, "--base", base, "--base-hint", given, "--quiet")
      #expect(try outcome.code == 0 && self.hint(of: path) == hint, "\(outcome.errors)")
    }
  }

  /// A base that is named from within is called as it is from without.
  @Test(arguments: [".", "./", "../gptj", "../gptj/."]) func theBaseIsCalledByItsName(
    _ given: String
  ) throws {
    let path = workspace.path("n.store")
    let outcome = try Weighbridge.run(
      ["convert", fork, path, "--base", given, "--quiet"], directory: base)
    #expect(try outcome.code == 0 && hint(of: path) == "gptj", "\(outcome.errors)")
  }

  /// A hint is what somebody else wrote.
  @Test func hintsAreData() throws {
    let path = workspace.path("hint.store")
    let made = try Weighbridge.run(
      "convert", fork, path, "--base", base, "--base-hint", "a\u{1B}[31m\nb\u{202E}")
    #expect(made.code == 0, "\(made.errors)")
    let out = workspace.path("out")
    for command in [
      ["inspect", path], ["verify", path], ["compare", path, fork],
      ["convert", path, out, "--to", "hf", "--base", base],
    ] {
      let outcome = try Weighbridge.run(command)
      let printed = (outcome.text + outcome.errors).unicodeScalars
      #expect(!printed.contains("\u{1B}") && !printed.contains("\u{202E}"), "\(command)")
    }
  }

  // MARK: Where it is

  /// What is read isn't written to, and what is replaced isn't read.
  @Test func theDestinationAndTheBaseLieApart() throws {
    for command in [[workspace.path("gptj/y.store")], [workspace.path(""), "--force"]] {
      let before = try workspace.snapshot(of: "")
      let outcome = try Weighbridge.run(["convert", fork] + command + ["--base", base])
      #expect(outcome.code == 2 && outcome.errors.contains("lies inside"), "\(outcome.errors)")
      let after = try workspace.snapshot(of: "")
      #expect(before == after)
    }
  }

  /// Neither a pipe nor a device can be read twice.
  @Test(arguments: ["/dev/null", "-"]) func aBaseIsReadMoreThanOnce(_ path: String) throws {
    for command in [["convert", fork, workspace.path("y.store")], ["verify", fork]] {
      let outcome = try Weighbridge.run(command + ["--base", path])
      #expect(
        outcome.code == 2 && outcome.errors.contains("hint: name a file or a folder by --base"),
        "\(outcome.errors)")
    }
  }

  // MARK: Which base

  @Test func aBaseIsAPath() throws {
    for command in [["verify", fork], ["convert", fork, workspace.path("y.store")]] {
      let outcome = try Weighbridge.run(command + ["--base", ""])
      #expect(outcome.code == 2 && outcome.errors.contains("--base needs a path"))
    }
  }

  /// Which of two is taken, and what is wrong, is said of a path.
  @Test func whatIsWrittenHasOneBase() throws {
    let other = try DifferenceCommandTests.fork(workspace, "other", of: "gptj", by: 3)
    for destination in ["y.store", "weight_v000002", "y"] {
      let format =
        destination == "y"
        ? ["--to", "hf"] : destination == "y.store" ? [] : ["--to", "weight-delta"]
      let outcome = try Weighbridge.run(
        ["convert", fork, workspace.path(destination), "--base", base, "--base", other] + format)
      #expect(outcome.code == 2 && outcome.errors.contains(base), "\(outcome.errors)")
      if destination != "y" {
        #expect(outcome.errors.contains("\(other): "), "\(outcome.errors)")
        #expect(outcome.errors.contains("to one base"), "\(outcome.errors)")
      }
      #expect(!workspace.has(destination))
    }
  }

  /// Files of fork and base are called the same.
  @Test(arguments: DifferenceCommandTests.Kind.all)
  func aDamagedFileOfTheBaseIsNamedWithItsFolder(_ kind: DifferenceCommandTests.Kind) throws {
    let path = try make(kind)
    let broken = try workspace.copy(base, to: "broken")
    try workspace.edit("broken/model.safetensors") { $0.removeLast(100) }
    for command in [
      ["verify", path], ["convert", path, workspace.path("out"), "--to", "hf"],
      ["convert", fork, workspace.path("new.store")],
    ] {
      let outcome = try Weighbridge.run(command + ["--base", broken, "--quiet"])
      #expect(outcome.code != 0)
      #expect(
        outcome.errors.contains("\(broken)/model.safetensors"), "\(command) \(outcome.errors)")
    }
    // A single file is its own path.
    let outcome = try Weighbridge.run(
      "verify", path, "--base", "\(broken)/model.safetensors", "--quiet")
    #expect(outcome.errors.contains("error: \(broken)/model.safetensors: "), "\(outcome.errors)")
  }
}
