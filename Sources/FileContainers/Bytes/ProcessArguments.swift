import CPlatform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What the program was started with.
public enum ProcessArguments {
  /// The program's name, and what the user has given; bytes that are no UTF-8 are replaced.
  ///
  /// The same as `CommandLine.arguments`, but on Linux also where /proc isn't mounted, as in a bare chroot.
  public static let all: [String] = {
    guard let pointers = wb_arguments() else { return CommandLine.arguments }
    var arguments: [String] = []
    while let pointer = pointers[arguments.count] { arguments.append(String(cString: pointer)) }
    return arguments
  }()

  /// Where the program is that runs, nil if it can't be found; Foundation's own way ends the process where /proc isn't mounted.
  public static var executablePath: String? {
    guard let path = wb_executable_path() else { return nil }
    defer { free(path) }
    return String(cString: path)
  }
}
