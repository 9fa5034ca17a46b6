import Foundation
import TestSupport

/// The files and folders below a folder: bytes by relative path, nil for folders.
typealias DiskTree = [String: Data?]

/// Files and folders as programs see them, and as they would be after a loss of power.
///
/// * Bytes of a file are safe when the file was synced since.
/// * A change of names is safe when a folder that it concerns was synced since; a rename is one change of both its folders, and comes through as a
///   whole or not at all, as with journals of file systems.
/// * Of changes to one name, those before a safe one are safe.
struct DiskContents {
  /// A file or folder, whatever its name is.
  typealias Node = Int

  /// How much of what wasn't synced comes through.
  enum Survival: Sendable, Hashable, CaseIterable {
    /// Nothing.
    case nothing
    /// All names, and no bytes: files that were made are empty.
    case names
    /// Everything: only the process has died.
    case everything
    /// By chance, change by change of names, and block by block of bytes.
    case some
  }

  private struct File {
    var bytes = Data()
    var safe = Data()
    /// A sync has failed: what is in it by then never becomes safe.
    var isLost = false
  }

  /// What names lead to, in one step.
  private struct Change {
    var assignments: [(folder: Node, name: String, node: Node?)]
  }

  private var files: [Node: File] = [:]
  private var folders: [Node: [String: Node]] = [0: [:]]
  private var safeFolders: [Node: [String: Node]] = [0: [:]]
  /// Not safe yet.
  private var changes: [Change] = []
  private var next: Node = 1

  private static let blockByteCount = 512

  /// Takes in what is on a disk, all of it safe.
  mutating func load(_ root: String) throws {
    for (path, contents) in try DiskContents.tree(at: root).sorted(by: { $0.key < $1.key }) {
      if let contents {
        files[create(path)] = File(bytes: contents, safe: contents)
      } else {
        createDirectory(path)
      }
    }
    safeFolders = folders
    changes = []
  }

  /// What is on a disk.
  static func tree(at root: String) throws -> DiskTree {
    var tree: DiskTree = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: root) {
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: "\(root)/\(name)", isDirectory: &isDirectory)
      tree[name] =
        isDirectory.boolValue
        ? .some(nil) : try Data(contentsOf: URL(filePath: "\(root)/\(name)"))
    }
    return tree
  }

  /// Makes a folder's contents these and nothing else.
  static func restore(_ tree: DiskTree, at root: String) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: root) {
      try FileManager.default.removeItem(atPath: "\(root)/\(name)")
    }
    for (name, contents) in tree.sorted(by: { $0.key < $1.key }) {
      let path = "\(root)/\(name)"
      if let contents {
        try contents.write(to: URL(filePath: path))
      } else {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
      }
    }
  }

  // MARK: Names

  private func split(_ path: String) -> (folder: Node, name: String)? {
    var components = path.split(separator: "/").map(String.init)
    guard let name = components.popLast() else { return nil }
    var folder: Node = 0
    for component in components {
      guard let inner = folders[folder]?[component] else { return nil }
      folder = inner
    }
    return (folder, name)
  }

  /// What has a path.
  func node(_ path: String) -> Node? {
    guard let (folder, name) = split(path) else { return 0 }
    return folders[folder]?[name]
  }

  private mutating func make(_ path: String) -> Node {
    defer { next += 1 }
    assign([(path, next)])
    return next
  }

  private mutating func assign(_ places: [(path: String, node: Node?)]) {
    var change = Change(assignments: [])
    for place in places {
      guard let (folder, name) = split(place.path) else { continue }
      change.assignments.append((folder, name, place.node))
    }
    for (folder, name, node) in change.assignments { folders[folder]?[name] = node }
    changes.append(change)
  }

  /// Makes an empty file.
  mutating func create(_ path: String) -> Node {
    let node = make(path)
    files[node] = File()
    return node
  }

  mutating func createDirectory(_ path: String) {
    let node = make(path)
    (folders[node], safeFolders[node]) = ([:], [:])
  }

  mutating func remove(_ path: String) { assign([(path, nil)]) }

  mutating func rename(_ source: String, _ target: String, exchanging: Bool) {
    let (moved, replaced) = (node(source), node(target))
    assign([(source, exchanging ? replaced : nil), (target, moved)])
  }

  /// Makes the names in a folder safe.
  mutating func synchronise(directory path: String) {
    guard let folder = node(path) else { return }
    var names: Set<String> = []
    var kept: [Change] = []
    var safe: [Change] = []
    for change in changes.reversed() {
      let keys = change.assignments.map { "\($0.folder)/\($0.name)" }
      let isSafe =
        change.assignments.contains { $0.folder == folder }
        || keys.contains(where: names.contains)
      if isSafe { names.formUnion(keys) }
      if isSafe { safe.append(change) } else { kept.append(change) }
    }
    for change in safe.reversed() { Self.apply(change, to: &safeFolders) }
    changes = kept.reversed()
  }

  private static func apply(_ change: Change, to folders: inout [Node: [String: Node]]) {
    for (folder, name, node) in change.assignments { folders[folder]?[name] = node }
  }

  // MARK: Bytes

  mutating func write(_ node: Node, at offset: Int, _ bytes: UnsafeRawBufferPointer) {
    let end = offset + bytes.count
    if let count = files[node]?.bytes.count, count < end { resize(node, end) }
    files[node]?.bytes.replaceSubrange(offset..<end, with: bytes)
  }

  mutating func resize(_ node: Node, _ byteCount: Int) {
    guard let count = files[node]?.bytes.count else { return }
    if byteCount < count {
      files[node]?.bytes.removeLast(count - byteCount)
    } else {
      files[node]?.bytes.append(Data(count: byteCount - count))
    }
  }

  /// Makes a file's bytes safe.
  mutating func synchronise(_ node: Node) {
    guard let file = files[node], !file.isLost else { return }
    files[node]?.safe = file.bytes
  }

  /// What is in a file never becomes safe.
  mutating func lose(_ node: Node) { files[node]?.isLost = true }

  // MARK: Power

  /// What is there when the power has come back.
  func tree(after survival: Survival) -> DiskTree {
    var random = FixedRandom(seed: UInt64(next) &* 31 &+ UInt64(changes.count))
    var folders = safeFolders
    var lost: Set<String> = []
    for change in changes {
      let keys = change.assignments.map { "\($0.folder)/\($0.name)" }
      let survives =
        switch survival {
        case .nothing: false
        case .names, .everything: true
        case .some: !keys.contains(where: lost.contains) && Bool.random(using: &random)
        }
      if survives { Self.apply(change, to: &folders) } else { lost.formUnion(keys) }
    }
    var tree: DiskTree = [:]
    var pending: [(path: String, node: Node)] = [("", 0)]
    while let (path, folder) = pending.popLast() {
      for (name, node) in (folders[folder] ?? [:]).sorted(by: { $0.key < $1.key }) {
        let inner = path.isEmpty ? name : "\(path)/\(name)"
        if let file = files[node] {
          tree[inner] = bytes(of: file, survival, &random)
        } else {
          tree[inner] = .some(nil)
          pending.append((inner, node))
        }
      }
    }
    return tree
  }

  private func bytes(of file: File, _ survival: Survival, _ random: inout FixedRandom) -> Data {
    switch survival {
    case .nothing, .names: return file.safe
    case .everything: return file.bytes
    case .some:
      if file.safe == file.bytes { return file.safe }
      let count = Bool.random(using: &random) ? file.safe.count : file.bytes.count
      var mixed = Data()
      for start in stride(from: 0, to: count, by: Self.blockByteCount) {
        let block = start..<min(count, start + Self.blockByteCount)
        let chosen = Bool.random(using: &random) ? file.bytes : file.safe
        let present = chosen.dropFirst(block.lowerBound).prefix(block.count)
        mixed += present
        mixed.append(Data(count: block.count - present.count))
      }
      return mixed
    }
  }
}
