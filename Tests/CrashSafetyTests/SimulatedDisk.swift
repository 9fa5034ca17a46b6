import FileContainers
import Foundation
import Synchronization

/// A disk that does all that it is asked for on the real one, and knows what of it a loss of power would leave.
///
/// Its calls are numbered from 1. One of them can fail, or the power can go at one: all that follow fail then, as nobody lives to make them. Files are
/// looked after below one folder; calls elsewhere are passed on.
final class SimulatedDisk: FileOperations {
  /// What goes wrong.
  enum Trouble: Sendable, Hashable {
    case nothing
    /// The power goes at a call: half of what it writes is written.
    case cut(at: Int)
    /// A call fails: there is no space for what needs some, and an error of the device for the rest.
    case failure(at: Int)
    /// From a call on there is no space any more.
    case full(from: Int)
    /// Every call writes half of what it is asked for.
    case shortWrites
  }

  private let root: String
  private let real = SystemFiles()
  private let state: Mutex<State>

  private struct State {
    var trouble: Trouble
    var callCount = 0
    var isCut = false
    var files = DiskContents()
    /// The files behind open descriptors.
    var open: [Int32: DiskContents.Node] = [:]
  }

  /// Takes the folder as it is for what is on the disk.
  init(_ root: String, _ trouble: Trouble = .nothing) throws {
    self.root = root
    var state = State(trouble: trouble)
    try state.files.load(root)
    self.state = Mutex(state)
  }

  /// How many calls have been made.
  var callCount: Int { state.withLock { $0.callCount } }

  /// From now on nothing goes wrong any more.
  func relent() { state.withLock { $0.trouble = .nothing } }

  /// What is found on the disk after the power has gone.
  func contents(after survival: DiskContents.Survival) -> DiskTree {
    state.withLock { $0.files.tree(after: survival) }
  }

  // MARK: Calls

  private enum Kind { case creation, write, reservation, synchronisation, removal, other }

  /// Makes a call, unless something is wrong with it.
  private func call<Result>(
    _ kind: Kind, _ body: (inout State) throws(SystemFailure) -> Result
  ) throws(SystemFailure) -> Result {
    try state.withLock { (state) throws(SystemFailure) in
      state.callCount += 1
      let needsSpace = kind == .creation || kind == .write || kind == .reservation
      switch state.trouble {
      case .cut(let place) where state.callCount >= place:
        state.isCut = true
        throw SystemFailure(EIO)
      case .failure(let place) where state.callCount == place:
        throw SystemFailure(needsSpace ? ENOSPC : EIO)
      case .full(let place) where state.callCount >= place && needsSpace:
        throw SystemFailure(ENOSPC)
      default: return try body(&state)
      }
    }
  }

  /// A path relative to the folder; nil if it leads elsewhere.
  private func place(_ path: String) -> String? {
    if path == root { return "" }
    return path.hasPrefix("\(root)/") ? String(path.dropFirst(root.count + 1)) : nil
  }

  func create(_ path: String) throws(SystemFailure) -> Int32 {
    guard let place = place(path) else { return try real.create(path) }
    return try call(.creation) { (state) throws(SystemFailure) in
      let descriptor = try real.create(path)
      state.open[descriptor] = state.files.create(place)
      return descriptor
    }
  }

  func open(_ path: String) throws(SystemFailure) -> Int32 {
    guard let place = place(path) else { return try real.open(path) }
    return try call(.other) { (state) throws(SystemFailure) in
      let descriptor = try real.open(path)
      state.open[descriptor] = state.files.node(place)
      return descriptor
    }
  }

  func createUnnamed(in directory: String) throws(SystemFailure) -> Int32 {
    try real.createUnnamed(in: directory)
  }

  func close(_ descriptor: Int32) {
    state.withLock { state in
      state.open[descriptor] = nil
      real.close(descriptor)
    }
  }

  private func isOpen(_ descriptor: Int32) -> Bool {
    state.withLock { $0.open[descriptor] != nil }
  }

  func write(
    _ descriptor: Int32, at offset: Int, from base: UnsafeRawPointer, count: Int
  ) throws(SystemFailure) -> Int {
    guard isOpen(descriptor) else {
      return try real.write(descriptor, at: offset, from: base, count: count)
    }
    /// Writes some of the bytes.
    func put(_ count: Int, _ state: inout State) throws(SystemFailure) -> Int {
      let done = try real.write(descriptor, at: offset, from: base, count: count)
      if let node = state.open[descriptor] {
        state.files.write(
          node, at: offset, UnsafeRawBufferPointer(start: base, count: done))
      }
      return done
    }
    return try state.withLock { (state) throws(SystemFailure) in
      state.callCount += 1
      switch state.trouble {
      case .cut(let place) where state.callCount >= place:
        if !state.isCut { _ = try put(count / 2, &state) }
        state.isCut = true
        throw SystemFailure(EIO)
      case .failure(let place) where state.callCount == place:
        // What there is room for is written first.
        _ = try put(count / 2, &state)
        throw SystemFailure(ENOSPC)
      case .full(let place) where state.callCount >= place: throw SystemFailure(ENOSPC)
      case .shortWrites: return try put(min(count, 1 + count / 2), &state)
      default: return try put(count, &state)
      }
    }
  }

  func share(
    _ source: Int32, at sourceOffset: Int, count: Int, with descriptor: Int32, at offset: Int
  ) throws(SystemFailure) {
    // As most file systems.
    throw SystemFailure(ENOTSUP)
  }

  func copy(
    _ source: Int32, at sourceOffset: Int, count: Int, to descriptor: Int32, at offset: Int
  ) throws(SystemFailure) -> Int {
    // A piece at a time, as kernels may.
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: min(count, 1000), alignment: 1)
    defer { bytes.deallocate() }
    let read = pread(source, bytes.baseAddress, bytes.count, off_t(sourceOffset))
    guard read >= 0 else { throw SystemFailure(errno) }
    guard read > 0, let base = bytes.baseAddress else { return 0 }
    return try write(descriptor, at: offset, from: base, count: read)
  }

  func reserve(_ descriptor: Int32, byteCount: Int) throws(SystemFailure) {
    guard isOpen(descriptor) else {
      return try real.reserve(descriptor, byteCount: byteCount)
    }
    try call(.reservation) { (_) throws(SystemFailure) in
      try real.reserve(descriptor, byteCount: byteCount)
    }
  }

  func resize(_ descriptor: Int32, byteCount: Int) throws(SystemFailure) {
    guard isOpen(descriptor) else { return try real.resize(descriptor, byteCount: byteCount) }
    try call(.other) { (state) throws(SystemFailure) in
      try real.resize(descriptor, byteCount: byteCount)
      if let node = state.open[descriptor] { state.files.resize(node, byteCount) }
    }
  }

  func synchronise(_ descriptor: Int32) throws(SystemFailure) {
    guard isOpen(descriptor) else { return try real.synchronise(descriptor) }
    try state.withLock { (state) throws(SystemFailure) in
      guard let node = state.open[descriptor] else { return }
      state.callCount += 1
      switch state.trouble {
      case .cut(let place) where state.callCount >= place:
        state.isCut = true
        throw SystemFailure(EIO)
      case .failure(let place) where state.callCount == place:
        // The system takes what it couldn't write for written.
        state.files.lose(node)
        throw SystemFailure(EIO)
      default: state.files.synchronise(node)
      }
    }
  }

  func synchronise(directory path: String) throws(SystemFailure) {
    guard let place = place(path) else { return try real.synchronise(directory: path) }
    try call(.synchronisation) { (state) throws(SystemFailure) in
      state.files.synchronise(directory: place)
    }
  }

  func createDirectory(_ path: String) throws(SystemFailure) {
    guard let place = place(path) else { return try real.createDirectory(path) }
    try call(.creation) { (state) throws(SystemFailure) in
      try real.createDirectory(path)
      state.files.createDirectory(place)
    }
  }

  func removeDirectory(_ path: String) throws(SystemFailure) {
    guard let place = place(path) else { return try real.removeDirectory(path) }
    try call(.removal) { (state) throws(SystemFailure) in
      try real.removeDirectory(path)
      state.files.remove(place)
    }
  }

  func removeFile(_ path: String) throws(SystemFailure) {
    guard let place = place(path) else { return try real.removeFile(path) }
    try call(.removal) { (state) throws(SystemFailure) in
      try real.removeFile(path)
      state.files.remove(place)
    }
  }

  func rename(
    _ source: String, to target: String, _ manner: RenamingManner
  ) throws(SystemFailure) {
    guard let from = place(source), let to = place(target) else {
      return try real.rename(source, to: target, manner)
    }
    try call(.other) { (state) throws(SystemFailure) in
      try real.rename(source, to: target, manner)
      state.files.rename(from, to, exchanging: manner == .exchanging)
    }
  }
}
