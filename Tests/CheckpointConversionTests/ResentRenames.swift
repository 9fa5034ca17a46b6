import FileContainers
import Foundation

/// A file system whose every rename is done, sent again, and then answers that nothing is there.
struct ResentRenames: FileOperations {
  private let real = SystemFiles()
  private let folder: String
  private let fragment: String

  /// Renames below a folder, of paths that have a fragment.
  init(besides folder: String, only fragment: String = "") {
    self.folder = folder
    self.fragment = fragment
  }

  func rename(
    _ source: String, to target: String, _ manner: RenamingManner
  ) throws(SystemFailure) {
    try real.rename(source, to: target, manner)
    guard target.hasPrefix(folder), fragment.isEmpty || target.contains(fragment) else { return }
    throw SystemFailure(ENOENT)
  }

  func create(_ path: String) throws(SystemFailure) -> Int32 { try real.create(path) }
  func open(_ path: String) throws(SystemFailure) -> Int32 { try real.open(path) }
  func createUnnamed(in directory: String) throws(SystemFailure) -> Int32 {
    try real.createUnnamed(in: directory)
  }
  func close(_ descriptor: Int32) { real.close(descriptor) }
  func write(
    _ descriptor: Int32, at offset: Int, from base: UnsafeRawPointer, count: Int
  ) throws(SystemFailure) -> Int {
    try real.write(descriptor, at: offset, from: base, count: count)
  }
  func share(
    _ source: Int32, at sourceOffset: Int, count: Int, with descriptor: Int32, at offset: Int
  ) throws(SystemFailure) {
    try real.share(source, at: sourceOffset, count: count, with: descriptor, at: offset)
  }
  func copy(
    _ source: Int32, at sourceOffset: Int, count: Int, to descriptor: Int32, at offset: Int
  ) throws(SystemFailure) -> Int {
    try real.copy(source, at: sourceOffset, count: count, to: descriptor, at: offset)
  }
  func reserve(_ descriptor: Int32, byteCount: Int) throws(SystemFailure) {
    try real.reserve(descriptor, byteCount: byteCount)
  }
  func resize(_ descriptor: Int32, byteCount: Int) throws(SystemFailure) {
    try real.resize(descriptor, byteCount: byteCount)
  }
  func synchronise(_ descriptor: Int32) throws(SystemFailure) { try real.synchronise(descriptor) }
  func synchronise(directory path: String) throws(SystemFailure) {
    try real.synchronise(directory: path)
  }
  func createDirectory(_ path: String) throws(SystemFailure) { try real.createDirectory(path) }
  func removeDirectory(_ path: String) throws(SystemFailure) { try real.removeDirectory(path) }
  func removeFile(_ path: String) throws(SystemFailure) { try real.removeFile(path) }
}
