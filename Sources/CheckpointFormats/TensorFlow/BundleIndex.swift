import FileContainers
import TensorModel

/// The index of a bundle.
struct BundleIndex {
  let header: BundleHeader
  /// The variables by name, in the order of the index.
  private(set) var entries: [(name: String, entry: BundleEntry)] = []
  /// Entries of slices, by their keys.
  private(set) var slices: [[UInt8]: BundleEntry] = [:]
  /// The names of all variables.
  let names: Set<ExactName>

  /// Reads an index.
  ///
  /// - Parameters:
  ///   - bytes: all of the file.
  ///   - fileName: for errors.
  /// - Throws: `malformed`, `corrupt` or `unsupported`, with the variable's name.
  init(_ bytes: [UInt8], fileName: String) throws(CheckpointError) {
    var header: BundleHeader?
    var entries: [(name: String, entry: BundleEntry)] = []
    var slices: [[UInt8]: BundleEntry] = [:]
    do throws(CheckpointError) {
      try SortedTable.read(bytes) { (key, value) throws(CheckpointError) in
        if key.isEmpty {
          header = try BundleHeader(value)
        } else if key[0] == SliceKey.firstByte {
          slices[key] = try BundleEntry(value)
        } else {
          guard let name = String(validating: key, as: UTF8.self) else {
            throw CheckpointError(
              .malformed, "a variable's name that isn't UTF-8", byteOffset: value.startIndex)
          }
          do throws(CheckpointError) { entries.append((name, try BundleEntry(value))) } catch {
            throw error.in(tensor: name)
          }
        }
      }
      guard let header else {
        throw CheckpointError(
          .malformed, "the index has no header", hint: "the file was damaged: get it again")
      }
      self.header = header
      let listed = entries.reduce(0) { $0 + $1.entry.slices.count }
      guard listed == slices.count else {
        throw CheckpointError(
          .malformed, "slices that belong to no variable, or to several",
          expected: counted(listed, "slice"), found: "\(slices.count)")
      }
    } catch { throw error.in(file: fileName) }
    names = Set(entries.map { ExactName($0.name) })
    (self.entries, self.slices) = (entries, slices)
  }
}
