import FileContainers
import TensorModel

/// One file of PyTorch's, in either format: its tensors, and the storages that they are views of.
struct TorchFile {
  /// The tensors by name, in the order of the file.
  let dictionary: StateDictionary
  /// What opening it brought up.
  let findings: [Finding]
  /// Whether numbers begin with their most significant byte.
  let isBigEndian: Bool
  /// What the file was called when it was saved, without its ending, as far as it says so.
  let savedName: String?
  private let storages: [String: any RandomAccessBytes]

  /// What the pickles of a small file may have, and their objects; those of a large one may have more.
  private static let (smallPickle, smallHeap) = (16 << 20, 64 << 20)
  /// What they may have in any file.
  private static let (largestPickle, largestHeap) = (256 << 20, 1 << 30)

  /// Reads the pickle; no tensor's data.
  ///
  /// - Throws: `malformed` or `unsupported` with what is wrong, `corrupt`, `inputOutput`.
  init(_ file: FileRegion, unpacking: Unpacking) throws(CheckpointError) {
    let pickleLimit = min(Self.largestPickle, Self.smallPickle + file.byteCount)
    let heapLimit = min(Self.largestHeap, Self.smallHeap + 8 * file.byteCount)
    let object: PickleParser<TorchInterpreter>.Result
    var storages: [String: any RandomAccessBytes] = [:]
    var findings: [Finding] = []
    if TorchStream.recognises(head: try file.head(TorchStream.headByteCount)) {
      let stream = try TorchStream(file, pickleLimit: pickleLimit, memory: heapLimit)
      object = stream.object
      storages = stream.storages
      findings = [
        Finding(
          .note, "no-checksums", "a legacy file has no checksums: damage of values can't be seen")
      ]
      (isBigEndian, savedName) = (false, nil)
    } else {
      let archive = try TorchArchive(
        ZipArchive(file).members, pickleLimit: pickleLimit, unpacking: unpacking)
      do throws(CheckpointError) {
        object = try PickleParser.parse(
          archive.pickle[...], TorchInterpreter(isLegacy: false), memory: heapLimit)
      } catch { throw Self.within("data.pkl", error) }
      guard object.byteCount == archive.pickle.count else {
        throw CheckpointError(
          .malformed, "bytes after the end of data.pkl", expected: "\(object.byteCount) bytes",
          found: "\(archive.pickle.count)")
      }
      storages = archive.storages.mapValues { ZipMemberContents($0, unpacking) }
      (isBigEndian, savedName) = (archive.isBigEndian, archive.root)
      findings = archive.findings
    }
    dictionary = try StateDictionary(object, memory: heapLimit)
    for (key, storage) in object.interpreter.storages.sorted(by: { $0.key < $1.key }) {
      guard let bytes = storages[key] else {
        throw CheckpointError(.missing, "a storage of the file is not there", found: "data/\(key)")
      }
      guard bytes.byteCount == storage.byteCount else {
        throw CheckpointError(
          .malformed, "storage 'data/\(key)' has another size than its tensors say",
          expected: "\(storage.byteCount) bytes", found: "\(bytes.byteCount)")
      }
    }
    let unused = storages.keys.filter { object.interpreter.storages[$0] == nil }.sorted()
    if let first = unused.first {
      findings.append(
        Finding(
          .warning, "unused-storages",
          "storages that belong to no tensor: \(unused.count), such as 'data/\(first)'"))
    }
    self.storages = storages
    self.findings = dictionary.findings + findings
  }

  private static func within(_ name: String, _ error: CheckpointError) -> CheckpointError {
    var named = error
    named.message = "\(name): \(error.message)"
    return named
  }

  /// Makes sure that storages are as they were written that belong to no tensor of the dictionary: what training has left beside it.
  ///
  /// - Throws: `corrupt` or `inputOutput`.
  func confirmUnlisted() throws(CheckpointError) {
    let listed = Set(dictionary.tensors.map(\.tensor.storage.key))
    for (key, storage) in storages.sorted(by: { $0.key < $1.key }) where !listed.contains(key) {
      try storage.confirm()
    }
  }

  /// The storage that a tensor is a view of; that it is there was checked.
  func storage(of tensor: TorchTensor) -> any RandomAccessBytes {
    guard let storage = storages[tensor.storage.key] else {
      preconditionFailure("a storage that was checked")
    }
    return storage
  }
}
