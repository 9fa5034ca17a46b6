import Foundation
import TestSupport
import Testing

/// What a process asks of the kernel while it reads a hostile file; `scripts/interop pytorch` does the same with all of them.
@Suite(.enabled(if: Strace.isUsable, "strace isn't there, or may not trace"))
struct TracedTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// Calls by which anything but reading a file could happen; io_uring can do all of it unseen.
  private static let calls =
    "%process,%network,open,openat,openat2,creat,open_by_handle_at,memfd_create,io_uring_setup,ptrace"
  /// What the runtime asks about the machine.
  private static let machine = [
    "/sys/devices/system/cpu/online", "/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/memory.max",
  ]

  @Test(arguments: [
    "bad_global_posix.bin", "bad_reduce_build.bin", "bad_numpy_runstring.bin",
    "bad_legacy_evil.bin", "bad_torch_gadget_load.bin", "bad_torchscript_code.bin",
    "ok_transposed.bin",
  ])
  func pickleStartsNothingAndReadsNothingElse(name: String) throws {
    try expectNothingElse(fixture("bad/torchbin/\(name)"), name)
  }

  @Test(arguments: ["bad_checkpoint_parent", "bad_shard_missing", "bad_overlap", "ok_two_shards"])
  func bundleStartsNothingAndReadsNothingElse(name: String) throws {
    try expectNothingElse(fixture("bad/tfbundle/\(name)"), name)
  }

  private func expectNothingElse(_ file: String, _ name: String) throws {
    let trace = workspace.path("trace")
    for arguments in [
      ["inspect", file, "--digests"],
      ["convert", file, workspace.path("out"), "--to", "safetensors", "--quiet"],
    ] {
      let outcome = try Weighbridge.run(
        arguments,
        shell: "exec strace -f -qq -s 4096 -o '\(trace)' -e trace=\(Self.calls) \"$0\" \"$@\"")
      #expect(outcome.code == (name.hasPrefix("ok") ? 0 : 2), "\(outcome.errors)")
      let lines = String(decoding: try workspace.contents("trace"), as: UTF8.self)
        .split(separator: "\n")
      // Before the file is opened, the loader and the runtime open theirs.
      let first = try #require(lines.firstIndex { $0.contains("openat(AT_FDCWD, \"\(file)") })
      for (index, line) in lines.enumerated() where index > 0 {
        #expect(isHarmless(line, file, hasBegun: index > first), "\(name): \(line)")
      }
    }
  }

  /// libhdf5 sees the file in a process of the command's own, which may open nothing by then.
  @Test(arguments: [
    "bad_external_link.h5", "bad_external_storage.h5", "bad_virtual_dataset.h5",
    "bad_soft_link_loop.h5", "bad_huge_chunked.h5", "bad_fletcher_flip.h5", "ok_plain.h5",
  ])
  func hdf5IsReadByOneChildThatOpensNothing(name: String) throws {
    let file = fixture("bad/h5/\(name)")
    for arguments in [
      ["inspect", file, "--digests"],
      ["convert", file, workspace.path("out"), "--to", "safetensors", "--quiet"],
    ] {
      let lines = try trace(arguments, "\(Self.calls),prlimit64,setrlimit", name)
      let first = try #require(lines.firstIndex { $0.contains(Self.opening(file)) })
      let starts = lines.indices.dropFirst().filter { lines[$0].contains("execve(") }
      try #require(starts.count == 1)
      #expect(lines[starts[0]].contains("\"keras-catalogue\""))
      let child = lines[starts[0]].prefix { $0 != " " } + " "
      var births = 0
      var mayOpen = true
      for (index, line) in lines.enumerated() where index > 0 && index != starts[0] {
        let call = line.drop { $0.isNumber || $0 == " " }
        if line.hasPrefix(child) {
          if call.contains("RLIMIT_NOFILE, {rlim_cur=0, rlim_max=0}") { mayOpen = false }
          let isOpening = call.hasPrefix("open")
          #expect(!isOpening || mayOpen && call.contains("O_RDONLY") || call.contains("/dev/null"))
          #expect(!line.contains(file), "\(name): \(line)")
          let isHarmless = isOpening || isHarmless(line, file, hasBegun: false)
          #expect(isHarmless || Self.isLimit(call), "\(name), child: \(line)")
        } else if ["vfork", "clone", "fork"].contains(where: call.hasPrefix),
          !call.contains("CLONE_THREAD")
        {
          births += 1
        } else if !Self.isLimit(call), !call.hasPrefix("wait4") {
          #expect(isHarmless(line, file, hasBegun: index > first), "\(name): \(line)")
        }
      }
      #expect(births == 1 && !mayOpen)
    }
  }

  @Test(arguments: Fixtures.names(in: "bad/msgpack").filter { $0.hasSuffix(".msgpack") })
  func msgpackStartsNothingAndReadsNothingElse(name: String) throws {
    let file = fixture("bad/msgpack/\(name)")
    let lines = try trace(["inspect", file, "--digests"], Self.calls, name)
    let first = try #require(lines.firstIndex { $0.contains(Self.opening(file)) })
    for (index, line) in lines.enumerated() where index > 0 {
      #expect(isHarmless(line, file, hasBegun: index > first), "\(name): \(line)")
    }
  }

  /// The lines of a run, whose exit code is what the file's name says.
  private func trace(
    _ arguments: [String], _ calls: String, _ name: String
  ) throws -> [Substring] {
    let trace = workspace.path("trace")
    let outcome = try Weighbridge.run(
      arguments,
      shell: "exec strace -f -qq -s 4096 -o '\(trace)' -e trace=\(calls) \"$0\" \"$@\"")
    #expect(outcome.code == (name.hasPrefix("ok") ? 0 : 2), "\(outcome.errors)")
    return String(decoding: try workspace.contents("trace"), as: UTF8.self).split(separator: "\n")
  }

  private static func isLimit(_ call: Substring) -> Bool {
    call.hasPrefix("prlimit64(0, ") || call.hasPrefix("setrlimit(")
  }

  private static func opening(_ file: String) -> String { "openat(AT_FDCWD, \"\(file)\"" }

  private func isHarmless(_ line: Substring, _ file: String, hasBegun: Bool) -> Bool {
    let call = line.drop { $0.isNumber || $0 == " " }
    // "???" is a thread that ended with the process, before strace saw what it called.
    if ["+++", "---", "<...", "exit", "???("].contains(where: call.hasPrefix) { return true }
    if call.hasPrefix("clone") { return call.contains("CLONE_THREAD") }
    guard call.hasPrefix("open"), let path = call.split(separator: "\"").dropFirst().first else {
      return false
    }
    if path == file || path.hasPrefix("\(file)/") { return call.contains("O_RDONLY") }
    if path == workspace.path || path.hasPrefix(workspace.path("out"))
      || path.hasPrefix(workspace.path(".out.partial"))
    {
      return true
    }
    return Self.machine.contains(String(path)) || !hasBegun && call.contains("O_RDONLY")
  }
}

private enum Strace {
  static let isUsable: Bool = {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["strace", "-f", "-qq", "-o", "/dev/null", "true"]
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }()
}
