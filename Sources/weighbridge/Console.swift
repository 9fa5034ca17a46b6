import Foundation
import Synchronization
import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Standard output for reports, standard error for everything else.
///
/// All text goes through here, so this is where names lose the power to give commands to a pipeline's runner.
enum Console {
  private static let lock = Mutex(())
  private static let isPrintingReport = Atomic(false)

  /// Whether a report is being printed, which a signal may cut short at once: the work is done.
  static var isPrinting: Bool { isPrintingReport.load(ordering: .relaxed) }

  /// Says that more work follows on what was printed.
  static func endReport() { isPrintingReport.store(false, ordering: .relaxed) }

  /// Makes sure that no file that is opened later gets the number of a standard stream that is closed.
  ///
  /// What is put there can't be used: reading and writing end with an error, as they do on closed streams.
  static func occupyStreams() {
    for (descriptor, flags) in [
      (STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY),
    ] where fcntl(descriptor, F_GETFD) == -1 {
      // The lowest free number is this one, as those below are taken.
      _ = open("/dev/null", flags)
    }
  }

  /// Writes a line, or a text that ends with one, to standard output.
  ///
  /// A reader that has gone away ends the program without complaint.
  static func output(_ text: String) {
    let text = inert(text)
    output(document: Array((text.utf8.last == UInt8(ascii: "\n") ? text : text + "\n").utf8))
  }

  /// Writes bytes to standard output: a document of ours, in which no line is a command for a pipeline's runner.
  static func output(document bytes: [UInt8]) {
    isPrintingReport.store(true, ordering: .relaxed)
    if !write(bytes, to: STDOUT_FILENO) {
      if errno == EPIPE { exit(0) }
      error(
        "error: can't write to standard output: \(String(cString: strerror(errno)))\nhint: \(CheckpointError.Code.inputOutput.usualHint)"
      )
      exit(2)
    }
  }

  /// Writes lines to standard output as they are made, a few at a time; ends the program after a signal, or when nobody reads on.
  static func output(lines body: (_ line: (String) -> Void) -> Void) {
    var buffer: [UInt8] = []
    body { line in
      buffer += inert(line).utf8
      buffer.append(UInt8(ascii: "\n"))
      guard buffer.count >= pieceByteCount else { return }
      Signals.endIfReceived()
      output(document: buffer)
      buffer.removeAll(keepingCapacity: true)
    }
    output(document: buffer)
  }

  private static let pieceByteCount = 64 << 10

  /// Writes a line to standard error, after clearing the progress line.
  static func error(_ text: String) {
    lock.withLock { _ in
      let clear = Terminal.showsErrors ? "\r\u{1b}[K" : ""
      _ = write(Array("\(clear)\(Paint.message(inert(text)))\n".utf8), to: STDERR_FILENO)
    }
  }

  /// Replaces the progress line on the terminal, with one that isn't wider.
  static func status(_ text: String) {
    let text = clipped(text, to: Terminal.width - 1)
    lock.withLock { _ in _ = write(Array("\r\u{1b}[K\(inert(text))".utf8), to: STDERR_FILENO) }
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        buffer.baseAddress.map { Foundation.write(descriptor, $0 + done, bytes.count - done) } ?? 0
      }
      if count < 0 {
        if errno == EINTR || errno == EAGAIN { continue }
        return false
      }
      done += count
    }
    return true
  }
}
