import CPlatform
public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A program that is run for what it prints; nothing of it is left when the call returns.
public enum ChildProcess {
  /// What came of a program.
  public struct Outcome: Sendable {
    /// What it printed.
    public let output: [UInt8]
    /// `exit code 2`, `signal 11`; nil if it succeeded.
    public let failure: String?
  }

  /// Runs a program.
  ///
  /// - Parameters:
  ///   - executable: its path.
  ///   - arguments: without its name.
  ///   - settings: added to the environment, as `NAME=value`.
  ///   - input: an open file that the program has as standard input; it is to read at positions, and moves nobody else's.
  ///   - limit: bytes of output; a program that prints more is ended.
  /// - Returns: its output, and how it ended.
  /// - Throws: `inputOutput` if it can't be started, or not be read from.
  public static func run(
    _ executable: String, _ arguments: [String], settings: [String], input: InputFile? = nil,
    limit: Int
  ) throws(CheckpointError) -> Outcome {
    var (output, process): (Int32, Int32) = (-1, -1)
    let status = withPointers([executable] + arguments) { arguments in
      withPointers(environment(with: settings)) { environment in
        wb_spawn(
          executable, arguments, environment, input?.descriptor ?? -1, &output, &process)
      }
    }
    guard status == 0 else {
      throw systemError("start this program", executable, number: status)
    }
    let bytes = readAll(output, limit: limit)
    close(output)
    if bytes == nil { kill(process, SIGKILL) }
    var state: Int32 = 0
    guard retrying({ waitpid(process, &state, 0) }) == process else {
      throw systemError("wait for this program", executable)
    }
    let signal = state & 0x7f
    let code = (state >> 8) & 0xff
    return Outcome(
      output: bytes ?? [],
      failure: signal != 0 ? "signal \(signal)" : code != 0 ? "exit code \(code)" : nil)
  }

  /// Nil if there are more.
  private static func readAll(_ descriptor: Int32, limit: Int) -> [UInt8]? {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = retrying { read(descriptor, &piece, piece.count) }
      guard count > 0 else { return bytes }
      bytes += piece.prefix(count)
      if bytes.count > limit { return nil }
    }
  }

  private static func environment(with settings: [String]) -> [String] {
    let names = settings.map { $0.prefix { $0 != "=" } + "=" }
    var variables: [String] = []
    let all = wb_environment()
    var place = 0
    while let variable = all?[place] {
      let text = String(cString: variable)
      if !names.contains(where: { text.hasPrefix($0) }) { variables.append(text) }
      place += 1
    }
    return variables + settings
  }

  private static func withPointers<Result>(
    _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let pointers = texts.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers + [nil])
  }
}
