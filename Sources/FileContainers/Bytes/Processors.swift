import CPlatform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The processors and the memory that this process may use.
public enum Processors {
  /// How many threads can run at once, by the process's affinity and its control group's quota.
  public static var allowedCount: Int {
    var count = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    #if os(Linux)
      let allowed = Int(wb_allowed_processors())
      if allowed > 0 { count = allowed }
      // "max 100000" or "150000 100000": quota and period in microseconds.
      if let quota = try? SystemText.read("/sys/fs/cgroup/cpu.max").split(separator: " "),
        quota.count == 2, let microseconds = Int(quota[0]),
        let period = Int(quota[1].filter(\.isNumber)), period > 0
      {
        count = min(count, max(1, (microseconds + period - 1) / period))
      }
    #endif
    return max(1, count)
  }

  /// Half of the memory that the machine, or the process's control group, has.
  public static var halfOfMemory: Int {
    var byteCount = Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE)))
    #if os(Linux)
      // "max", or a number of bytes.
      if let text = try? SystemText.read("/sys/fs/cgroup/memory.max"),
        let limit = Int(text.filter(\.isNumber))
      {
        byteCount = min(byteCount, limit)
      }
    #endif
    return max(byteCount / 2, 1 << 28)
  }

  /// Lets the process have as many files open as the system allows it: a checkpoint can have hundreds.
  public static func raiseOpenFileLimit() {
    var limit = rlimit()
    #if os(Linux)
      let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
      let resource = RLIMIT_NOFILE
    #endif
    guard getrlimit(resource, &limit) == 0 else { return }
    // macOS refuses more than OPEN_MAX whatever the hard limit says.
    limit.rlim_cur = min(limit.rlim_max, 10_240)
    _ = setrlimit(resource, &limit)
  }
}

#if os(Linux)
  /// Small text files of the system, whose size isn't known beforehand.
  private enum SystemText {
    /// The first 4 KiB.
    static func read(_ path: String) throws -> String {
      let descriptor = try openDescriptor(path, O_RDONLY, action: "open")
      defer { close(descriptor) }
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = pread(descriptor, &bytes, bytes.count, 0)
      return String(decoding: bytes.prefix(Swift.max(0, count)), as: UTF8.self)
    }
  }
#endif

/// Threads of one's own: Dispatch waits for ever where the system starts no more of them.
public enum ThreadTeam {
  /// Calls a body on several threads at once, and returns when all calls have.
  ///
  /// - Parameters:
  ///   - count: how many; where the system starts fewer, there are fewer, at least the calling one.
  ///   - body: is given the number of its thread, 0 on the calling one.
  public static func run(_ count: Int, _ body: @Sendable (_ worker: Int) -> Void) {
    withoutActuallyEscaping(body) { body in
      var threads: [pthread_t] = []
      for worker in 1..<max(count, 1) {
        guard let thread = start({ body(worker) }) else { break }
        threads.append(thread)
      }
      body(0)
      for thread in threads { pthread_join(thread, nil) }
    }
  }

  /// Starts work that nobody waits for.
  ///
  /// - Returns: whether the system could start a thread for it.
  public static func detach(_ body: @escaping @Sendable () -> Void) -> Bool {
    guard let thread = start(body) else { return false }
    pthread_detach(thread)
    return true
  }

  private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  private static func start(_ body: @escaping @Sendable () -> Void) -> pthread_t? {
    let operations = FileSystem.operations
    let work = Unmanaged.passRetained(
      Work { FileSystem.$operations.withValue(operations) { body() } })
    #if canImport(Darwin)
      var thread: pthread_t?
      let status = pthread_create(
        &thread, nil,
        { argument in
          Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
          return nil
        }, work.toOpaque())
    #else
      var thread = pthread_t()
      let status = pthread_create(
        &thread, nil,
        { argument in
          guard let argument else { return nil }
          Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body()
          return nil
        }, work.toOpaque())
    #endif
    guard status == 0 else {
      work.release()
      return nil
    }
    return thread
  }
}
