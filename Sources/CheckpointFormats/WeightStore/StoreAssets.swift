import FileContainers
import Synchronization
import TensorModel

/// The files in a store's `assets/`, as its manifest lists them; those of folders that go along keep their paths.
enum StoreAssets {
  /// Adds them, and the configuration, to what is known of a store.
  ///
  /// - Throws: `malformed` for files that a store doesn't carry, `missing`, `corrupt`.
  static func add(
    _ manifest: StoreManifest, _ tree: any FileTree, to checkpoint: inout Checkpoint
  ) throws(CheckpointError) {
    let folders = try folders(manifest, tree)
    for record in manifest.assets {
      let path = path(record.name)
      // Anything else could replace what a conversion writes.
      guard
        record.name == "config.json" || Sidecars.isCarried(record.name) && !isNested(record.name)
          || Sidecars.isAdapter(record.name) && !isNested(record.name)
          || folders.contains(record.name)
      else { throw CheckpointError(.malformed, "not a file that a store carries", file: path) }
      guard tree.containsFile(path) else {
        throw CheckpointError(
          .missing, "a file of the store is not there", file: path, found: tree.obstacle(path),
          hint: "get the whole store again")
      }
      if tree.leadsOut(path) {
        Sidecars.leaveOut(path, from: &checkpoint)
      } else if record.name == "config.json" {
        checkpoint.configuration = try contents(record, tree)
      } else {
        checkpoint.assets.append(try asset(record, tree))
      }
    }
  }

  /// Files in the folder that the manifest doesn't list.
  ///
  /// - Throws: `inputOutput`.
  static func strangers(
    _ manifest: StoreManifest, _ tree: any FileTree
  ) throws(CheckpointError) -> [String] {
    let names = Set(manifest.assets.map { ExactName(path($0.name)) })
    let folders = try folders(manifest, tree)
    let subtree = Subtree(of: tree, folder: StoreFormat.assetFolder)
    var strangers: [String] = []
    for name in try subtree.children(of: "") {
      guard folders.names.contains(name), !subtree.containsFile(name) else {
        strangers.append(path(name))
        continue
      }
      let files = try folders.files(of: name, in: subtree)
      strangers += (files.carried + files.leftOut).map(path)
    }
    return strangers.filter { !names.contains(ExactName($0)) }
  }

  private static func path(_ name: String) -> String { "\(StoreFormat.assetFolder)/\(name)" }

  private static func isNested(_ name: String) -> Bool { name.utf8.contains(UInt8(ascii: "/")) }

  private static func folders(
    _ manifest: StoreManifest, _ tree: any FileTree
  ) throws(CheckpointError) -> SidecarFolders {
    let modules = manifest.assets.first { $0.name == SidecarFolders.modulesFileName }
    guard let modules, tree.containsFile(path(modules.name)) else {
      return SidecarFolders(modules: nil)
    }
    return SidecarFolders(modules: try contents(modules, tree))
  }

  private static func contents(
    _ record: StoreManifest.FileRecord, _ tree: any FileTree
  ) throws(CheckpointError) -> [UInt8] {
    let path = path(record.name)
    let bytes = try tree.contents(of: path, limit: Checkpoint.Asset.maximumByteCount)
    do throws(CheckpointError) { try record.check(bytes) } catch { throw error.in(file: path) }
    return bytes
  }

  /// A file whose digest is checked before the first of its bytes is given away.
  private static func asset(
    _ record: StoreManifest.FileRecord, _ tree: any FileTree
  ) throws(CheckpointError) -> Checkpoint.Asset {
    let path = path(record.name)
    let file = Sidecars.asset(path, try tree.region(path))
    let isChecked = Mutex(false)
    return Checkpoint.Asset(name: record.name, byteCount: record.byteCount) {
      (offset, count) throws(CheckpointError) in
      if !isChecked.withLock({ $0 }) {
        do throws(CheckpointError) { try record.check(file) } catch { throw error.in(file: path) }
        isChecked.withLock { $0 = true }
      }
      return try file.read(offset, count)
    }
  }
}

extension StoreManifest.FileRecord {
  /// What is read at once.
  private static let pieceByteCount = 8 << 20

  /// Throws unless a file is this one.
  fileprivate func check(_ file: Checkpoint.Asset) throws(CheckpointError) {
    var stream = StreamingDigest()
    var offset = 0
    while offset < file.byteCount {
      let bytes = try file.read(offset, min(Self.pieceByteCount, file.byteCount - offset))
      bytes.withUnsafeBytes { stream.update($0) }
      offset += bytes.count
    }
    try check(file.byteCount, stream.digest)
  }
}
