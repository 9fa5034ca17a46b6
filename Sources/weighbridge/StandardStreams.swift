#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Standard input, output and error, of which some may be closed when the process starts.
enum StandardStreams {
  /// Makes sure that no file that is opened later gets the number of a stream.
  ///
  /// What is put there can't be used: reading and writing end with an error, as they do on closed streams.
  static func occupy() {
    for (descriptor, flags) in [
      (STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY),
    ] where fcntl(descriptor, F_GETFD) == -1 {
      // The lowest free number is this one, as those below are taken.
      _ = open("/dev/null", flags)
    }
  }
}
