// torch.save before PyTorch 1.6, or with _use_new_zipfile_serialization=False (torch/serialization.py, _legacy_save): pickles and then
// storages, one after the other,
//
//   1. 0x1950a86a20f9469cfc6c        3. a dict about the machine     5. the keys of all storages, in the order in which
//   2. 1001, the protocol            4. the object                      they follow: u64 number of elements, elements
//
// always little-endian, whatever the machine.

import FileContainers
import TensorModel

/// A legacy file of PyTorch's: its object, and where its storages are.
struct TorchStream {
  /// The object.
  let object: PickleParser<TorchInterpreter>.Result
  /// Storages by key.
  let storages: [String: FileRegion]

  /// The magic number, little-endian.
  private static let magic: [UInt8] = [
    0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
  ]
  private static let protocolVersion = 1001
  /// What pickles of protocol 2 and newer begin with.
  private static let protocolOpcode: UInt8 = 0x80

  /// Whether the first bytes are those of a legacy file.
  static func recognises(head: [UInt8]) -> Bool {
    guard head.first == protocolOpcode else { return false }
    // PROTO 2, perhaps FRAME, and LONG1 of 10 bytes.
    return [2, 11].contains { start in
      head.dropFirst(start).starts(with: [0x8a, 0x0a] + magic)
    }
  }

  /// Bytes that `recognises` looks at.
  static let headByteCount = 32

  /// Reads all pickles, and finds all storages.
  ///
  /// - Throws: `malformed` where the file isn't as `torch.save` writes it, and what the interpreter throws.
  init(_ file: FileRegion, pickleLimit: Int, memory: Int) throws(CheckpointError) {
    var pickles = Pickles(file, limit: pickleLimit, memory: memory)
    let magic = try pickles.next()
    guard case .bytes(let run) = magic.value, magic.heap.raw(run).elementsEqual(Self.magic) else {
      throw CheckpointError(.malformed, "not a PyTorch file: wrong magic number", byteOffset: 0)
    }
    let version = try pickles.next()
    guard version.value == .integer(Self.protocolVersion) else {
      throw CheckpointError(
        .unsupported, "a PyTorch file of another protocol", expected: "\(Self.protocolVersion)")
    }
    let machine = try pickles.next()
    guard machine.heap.dictionary(machine.value) != nil else {
      throw CheckpointError(.malformed, "no description of a machine where one should be")
    }
    object = try pickles.next()
    let keys = try pickles.next()
    guard let values = keys.heap.list(keys.value) else {
      throw CheckpointError(.malformed, "no list of storages where one should be")
    }
    var names: [String] = []
    for value in values {
      guard let name = keys.heap.text(value) else {
        throw CheckpointError(.malformed, "a storage's key that is no text")
      }
      names.append(name)
    }
    storages = try Self.storages(names, in: file, from: pickles.position, object.interpreter)
  }

  private static func storages(
    _ keys: [String], in file: FileRegion, from start: Int, _ interpreter: TorchInterpreter
  ) throws(CheckpointError) -> [String: FileRegion] {
    var storages: [String: FileRegion] = [:]
    var position = start
    for key in keys {
      guard let known = interpreter.storages[key], storages[key] == nil else {
        throw CheckpointError(
          .malformed, "a storage that no tensor refers to, or the same twice", found: key)
      }
      let head = try file.bytes(at: position, count: 8)
      let count = head.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      guard count == UInt64(known.byteCount / known.element.byteCount) else {
        throw CheckpointError(
          .malformed, "a storage has another size than its tensors say", byteOffset: position,
          expected: "\(known.byteCount / known.element.byteCount) elements", found: "\(count)")
      }
      guard let region = file.part(at: position + 8, count: known.byteCount) else {
        throw CheckpointError(
          .malformed, "the file ends within a storage", byteOffset: position + 8,
          expected: "\(known.byteCount) bytes", found: "\(file.byteCount - position - 8)",
          hint: "the file was cut short; get it again")
      }
      storages[key] = region
      position += 8 + known.byteCount
    }
    guard position == file.byteCount else {
      throw CheckpointError(
        .malformed, "bytes after the last storage", byteOffset: position,
        expected: "the end of the file", found: "\(file.byteCount - position) more")
    }
    return storages
  }
}

/// Pickles that follow each other at the beginning of a file.
private struct Pickles {
  /// Where the next one begins.
  private(set) var position = 0
  private let file: FileRegion
  private let limit: Int
  private let memory: Int

  /// So many bytes are read at first, more if a pickle doesn't end within.
  private static let firstByteCount = 64 << 10

  init(_ file: FileRegion, limit: Int, memory: Int) {
    self.file = file
    self.limit = limit
    self.memory = memory
  }

  mutating func next() throws(CheckpointError) -> PickleParser<TorchInterpreter>.Result {
    var count = Self.firstByteCount
    while true {
      let available = min(file.byteCount - position, limit)
      let window = try file.bytes(at: position, count: min(count, available))
      do throws(CheckpointError) {
        let result = try PickleParser.parse(
          window[...], TorchInterpreter(isLegacy: true), memory: memory)
        position += result.byteCount
        return result
      } catch {
        // A pickle that ends early may be a longer one.
        guard error.code == .missing, window.count < available else {
          var placed = error
          if error.code == .missing { placed.code = .malformed }
          placed.byteOffset = error.byteOffset.map { $0 + position }
          throw placed
        }
        count *= 4
      }
    }
  }
}
