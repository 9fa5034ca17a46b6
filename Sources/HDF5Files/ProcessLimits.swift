public import TensorModel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension HDF5Catalogue {
  /// Takes from this process, for good, what listing a file doesn't need: more than 4 GiB of addresses and 120 seconds of a processor,
  /// and writing to files (so that the results must go to a pipe).
  ///
  /// macOS doesn't limit addresses.
  ///
  /// - Throws: `inputOutput` if the system refuses.
  public static func limitProcess() throws(CheckpointError) {
    try limit(RLIMIT_CPU, 120)
    try limit(RLIMIT_CORE, 0)
    try limit(RLIMIT_FSIZE, 0)
    #if os(Linux)
      try limit(RLIMIT_AS, 4 << 30)
    #endif
  }

  /// Takes away, beside these, what listing a file that is open already doesn't need: opening any, and more than 512 MB of memory and 60
  /// seconds of a processor.
  ///
  /// macOS doesn't limit memory.
  ///
  /// - Throws: `inputOutput` if the system refuses.
  public static func limitToOpenFiles() throws(CheckpointError) {
    try limitProcess()
    try limit(RLIMIT_CPU, 60)
    try limit(RLIMIT_NOFILE, 0)
    #if os(Linux)
      try limit(RLIMIT_DATA, 512 << 20)
    #endif
  }

  #if canImport(Glibc)
    private typealias Resource = __rlimit_resource
  #else
    private typealias Resource = Int32
  #endif

  private static func limit(_ resource: Resource, _ most: rlim_t) throws(CheckpointError) {
    #if canImport(Glibc)
      let resource = __rlimit_resource_t(resource.rawValue)
    #endif
    var limit = rlimit()
    var result = getrlimit(resource, &limit)
    limit.rlim_max = min(limit.rlim_max, most)
    limit.rlim_cur = limit.rlim_max
    if result == 0 { result = setrlimit(resource, &limit) }
    guard result == 0 else {
      throw CheckpointError(
        .inputOutput, "can't limit the process: \(String(cString: strerror(errno)))")
    }
  }
}
