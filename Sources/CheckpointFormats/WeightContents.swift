import FileContainers
import TensorModel

/// Whether a file that is called as weights are is what its name says, by its first bytes or its directory: endings are those of other programs' files, too.
public struct WeightContents {
  private let name: String
  private let region: FileRegion

  /// A file's contents, under the name that it has.
  init(_ name: String, _ region: FileRegion) {
    self.name = name
    self.region = region
  }

  /// Whether a name is one that weights have.
  public static func isNamed(_ name: String) -> Bool {
    [".safetensors", ".gguf", ".npz"].contains(where: name.hasSuffix)
      || PyTorchFormat.isWeights(name: name) || FlaxFormat.isWeights(name: name)
      || KerasFormat.isWeights(name: name)
  }

  /// Whether only models come in files of that name: any program writes HDF5, archives of arrays and pickles.
  public static func isOfModelsAlone(_ name: String) -> Bool {
    [".safetensors", ".gguf", ".msgpack"].contains(where: name.hasSuffix)
  }

  /// Whether a name is one that a volume of a store has, directly in its directory.
  static func isVolume(_ name: String) -> Bool {
    name.hasSuffix(".h5") && !name.hasPrefix(".") && Directories.components(of: name) == [name]
  }

  /// Whether the contents are of the name's kind.
  ///
  /// What a download leaves in the place of weights (nothing, a pointer of Git LFS) is of no use to anybody, and counts as they do.
  ///
  /// - Throws: `inputOutput`.
  func isOfItsKind() throws(CheckpointError) -> Bool {
    let head = try region.head(512)
    if region.byteCount == 0 || StandIn.isPointer(head) { return true }
    if name.hasSuffix(".safetensors") { return try SafetensorsFormat.recognises(file: region) }
    if name.hasSuffix(".gguf") { return head.starts(with: GGUFHeader.magic) }
    if name.hasSuffix(".npz") { return holdsArraysOnly() }
    if KerasFormat.isWeights(name: name) { return try KerasFormat.recognises(file: region) }
    if FlaxFormat.isWeights(name: name) { return try FlaxFormat.recognises(file: region) }
    return try PyTorchFormat.recognises(file: region)
  }

  /// A zip archive of arrays, and of nothing else.
  private func holdsArraysOnly() -> Bool {
    guard let members = try? ZipArchive(region).members else { return false }
    return !members.isEmpty && members.allSatisfy { $0.name.hasSuffix(".npy") }
  }
}
