import Dispatch
import Foundation
import Synchronization
import TestSupport

/// The built executable, run as a user runs it.
enum Weighbridge {
  /// Where it is.
  static let executable = BuiltCommand.executable

  /// What came of a run.
  struct Outcome {
    /// The exit code; minus the signal's number if one ended it.
    let code: Int32
    let output: Data
    let errors: String
    var text: String { String(decoding: output, as: UTF8.self) }

    /// The JSON object on standard output.
    var object: [String: Any] {
      get throws {
        try JSONSerialization.jsonObject(with: output) as? [String: Any] ?? [:]
      }
    }
  }

  /// A run that hasn't ended.
  final class Run {
    private let process = Process()
    private let ended = DispatchSemaphore(value: 0)
    private let workspace: Workspace
    private static let spawning = Mutex(())

    /// Starts it.
    ///
    /// - Parameters:
    ///   - arguments: after the program's name.
    ///   - input: a file for standard input.
    ///   - output: for standard output instead of a file.
    ///   - shell: what a shell does before it starts the program in its own place.
    ///   - directory: where it runs.
    /// - Throws: what creating files and processes throws.
    init(
      _ arguments: [String], input: String? = nil, output: FileHandle? = nil, shell: String? = nil,
      directory: String? = nil
    ) throws {
      workspace = try Workspace()
      try workspace.write("output", Data())
      try workspace.write("errors", Data())
      if let shell {
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", "\(shell); exec \"$0\" \"$@\"", executable.path] + arguments
      } else {
        process.executableURL = executable
        process.arguments = arguments
      }
      var environment = ProcessInfo.processInfo.environment
      environment["COLUMNS"] = "80"
      environment["LC_ALL"] = "C"
      process.environment = environment
      if let directory { process.currentDirectoryURL = URL(filePath: directory) }
      process.standardInput = try FileHandle(
        forReadingFrom: URL(filePath: input ?? "/dev/null"))
      process.standardOutput =
        try output ?? FileHandle(forWritingTo: URL(filePath: workspace.path("output")))
      process.standardError = try FileHandle(
        forWritingTo: URL(filePath: workspace.path("errors")))
      process.terminationHandler = { [ended] _ in ended.signal() }
      try Self.spawning.withLock { _ in try process.run() }
    }

    /// Whether it is still there.
    var isRunning: Bool { process.isRunning }

    /// Sends it a signal.
    func send(_ signal: Int32) { if process.isRunning { kill(process.processIdentifier, signal) } }

    /// Waits for its end; a run that takes a minute hangs, and is killed.
    func outcome() throws -> Outcome {
      if ended.wait(timeout: .now() + 60) == .timedOut {
        send(SIGKILL)
        ended.wait()
      }
      let status = process.terminationStatus
      return Outcome(
        code: process.terminationReason == .exit ? status : -status,
        output: try workspace.contents("output"),
        errors: String(decoding: try workspace.contents("errors"), as: UTF8.self))
    }
  }

  /// Runs it to its end.
  static func run(_ arguments: String..., input: String? = nil) throws -> Outcome {
    try Run(arguments, input: input).outcome()
  }

  /// Runs it to its end.
  static func run(
    _ arguments: [String], input: String? = nil, shell: String? = nil, directory: String? = nil
  ) throws -> Outcome {
    try Run(arguments, input: input, shell: shell, directory: directory).outcome()
  }
}

/// A fixture's path.
func fixture(_ name: String) -> String { Fixtures.path(name) }

/// The archive that the tests convert.
let archive = fixture("mesh-transformer/s4_perturbed_slim_f16/step.tar.zstd")
/// Its configuration.
let configuration = fixture("mesh-transformer/s4_perturbed_slim_f16/config.json")
