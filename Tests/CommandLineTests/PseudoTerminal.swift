import Dispatch
import Foundation
import Synchronization
import TestSupport

/// The built executable on a terminal of its own, which `script` makes: what it shows there, and what keys do.
final class PseudoTerminal {
  private let process = Process()
  private let keys = Pipe()
  private let output = Pipe()
  private let screen = Screen()
  private let ended = DispatchSemaphore(value: 0)
  private let workspace: Workspace

  /// What has come from it.
  private final class Screen: Sendable {
    let shown = Mutex(Data())
    let isClosed = DispatchSemaphore(value: 0)
  }

  /// Starts it.
  ///
  /// - Parameters:
  ///   - arguments: after the program's name.
  ///   - width: of the terminal, in columns.
  ///   - environment: what is set for it.
  /// - Throws: what creating files and processes throws.
  init(_ arguments: [String], width: Int, environment: [String: String] = [:]) throws {
    workspace = try Workspace()
    let words = ([Weighbridge.executable.path] + arguments).map {
      "'\($0.replacing("'", with: "'\\''"))'"
    }
    let file = try workspace.write(
      "run.sh",
      Data("stty cols \(width) rows 24\nexec \(words.joined(separator: " "))\n".utf8))
    process.executableURL = URL(filePath: "/usr/bin/env")
    #if os(macOS)
      process.arguments = ["script", "-q", "/dev/null", "/bin/sh", file]
    #else
      process.arguments = ["script", "--quiet", "--flush", "--return"]
      process.arguments? += ["--command", "/bin/sh '\(file)'", "/dev/null"]
    #endif
    var all = ProcessInfo.processInfo.environment
    (all["TERM"], all["NO_COLOR"], all["COLUMNS"], all["LC_ALL"]) = ("xterm", nil, nil, "C")
    process.environment = all.merging(environment) { $1 }
    process.standardInput = keys
    process.standardOutput = output
    process.standardError = output
    process.terminationHandler = { [ended] _ in ended.signal() }
    output.fileHandleForReading.readabilityHandler = { [screen] handle in
      let piece = handle.availableData
      screen.shown.withLock { $0 += piece }
      if piece.isEmpty {
        handle.readabilityHandler = nil
        screen.isClosed.signal()
      }
    }
    try process.run()
  }

  /// Everything that has been sent to the terminal.
  var text: String { screen.shown.withLock { String(decoding: $0, as: UTF8.self) } }

  /// Whether the program is still there.
  var isRunning: Bool { process.isRunning }

  /// Presses Ctrl-C.
  func interrupt() { keys.fileHandleForWriting.write(Data([3])) }

  /// Waits for its end; what takes a minute hangs, and is ended.
  ///
  /// - Returns: the exit code.
  func exitCode() -> Int32 {
    if ended.wait(timeout: .now() + 60) == .timedOut {
      process.terminate()
      ended.wait()
    }
    // The last piece may still be on its way.
    _ = screen.isClosed.wait(timeout: .now() + 10)
    return process.terminationStatus
  }
}
