import Foundation
import Synchronization
import TensorModel

/// SIGINT, SIGTERM and SIGHUP ask the work to stop at the next slab; a second one ends it at once.
enum Signals {
  private static let received = Atomic<Int32>(0)

  /// Installs the handlers.
  ///
  /// Broken pipes and file size limits become errors of the calls concerned.
  static func install() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    // Made here: nothing may be made when a signal has come.
    _ = received.load(ordering: .relaxed)
    _ = (Console.isPrinting, Terminal.showsErrors)
    for number in [SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV, SIGQUIT] {
      // Swift's runtime would print a trace, which helps nobody who runs the command.
      signal(number, SIG_DFL)
    }
    for number in [SIGINT, SIGTERM, SIGHUP] {
      let earlier = signal(number, SIG_IGN)
      // As `nohup` has it.
      if number == SIGHUP,
        unsafeBitCast(earlier, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
      {
        continue
      }
      // Only what POSIX allows in handlers is done there: atomics, write, _exit.
      signal(number) { number in
        let earlier = Signals.received.exchange(number, ordering: .relaxed)
        if earlier != 0 || Console.isPrinting { _exit(128 + number) }
        let text: StaticString =
          Terminal.showsErrors
          ? "\r\u{1b}[Kstopping; once more to stop at once\n"
          : "stopping; once more to stop at once\n"
        let error = errno
        _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
        errno = error
      }
    }
    // Programs that start this one from a thread that gets no signals hand that down.
    var numbers = sigset_t()
    sigemptyset(&numbers)
    for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&numbers, number) }
    pthread_sigmask(SIG_UNBLOCK, &numbers, nil)
  }

  /// The name of the signal that has come.
  static var name: String {
    switch received.load(ordering: .relaxed) {
    case SIGTERM: "SIGTERM"
    case SIGHUP: "SIGHUP"
    default: "SIGINT"
    }
  }

  /// 128 plus the signal's number, as shells report it.
  static var exitCode: Int32 {
    let number = received.load(ordering: .relaxed)
    return 128 + (number == 0 ? SIGINT : number)
  }

  /// Ends the program if a signal has come; for reports, after the work.
  static func endIfReceived() {
    if received.load(ordering: .relaxed) != 0 { exit(exitCode) }
  }

  /// Stops the work if a signal has come.
  ///
  /// - Throws: `interrupted`.
  @Sendable static func check() throws(CheckpointError) {
    if received.load(ordering: .relaxed) != 0 {
      throw CheckpointError(.interrupted, "stopped by a signal")
    }
  }
}
