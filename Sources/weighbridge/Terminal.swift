import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What is known of the terminal that messages and reports may go to.
enum Terminal {
  /// Whether standard output is one.
  static var showsOutput: Bool { isatty(STDOUT_FILENO) == 1 }

  /// Whether standard error is one.
  static var showsErrors: Bool { isatty(STDERR_FILENO) == 1 }

  /// Characters in a line: what the terminal says, else `COLUMNS`, else 80; at least 20.
  static var width: Int {
    var size = winsize()
    for descriptor in [STDOUT_FILENO, STDERR_FILENO]
    where ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 {
      return max(narrowest, Int(size.ws_col))
    }
    let columns = ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) }
    return min(max(narrowest, columns ?? 80), 10_000)
  }

  private static let narrowest = 20
}
