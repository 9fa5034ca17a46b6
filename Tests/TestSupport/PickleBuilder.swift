/// Pieces of pickles, to be put together in any way, right or wrong.
public enum Pickle {
  /// A whole pickle: PROTO, what is given, STOP.
  public static func file(_ parts: [UInt8]..., version: UInt8 = 2) -> [UInt8] {
    [0x80, version] + parts.joined() + [0x2e]
  }

  /// None.
  public static let none: [UInt8] = [0x4e]
  /// The beginning of a run of values.
  public static let mark: [UInt8] = [0x28]

  /// A text.
  public static func text(_ text: String) -> [UInt8] { string(Array(text.utf8)) }

  /// A text of any bytes.
  public static func string(_ bytes: [UInt8]) -> [UInt8] {
    [0x58] + UInt32(bytes.count).littleEndianBytes + bytes
  }

  /// An integer.
  public static func integer(_ value: Int) -> [UInt8] {
    if let small = Int32(exactly: value) { return [0x4a] + small.littleEndianBytes }
    return [0x8a, 8] + value.littleEndianBytes
  }

  /// A tuple.
  public static func tuple(_ values: [UInt8]...) -> [UInt8] { mark + values.joined() + [0x74] }

  /// A tuple of integers.
  public static func integers(_ values: [Int]) -> [UInt8] {
    mark + values.flatMap(integer) + [0x74]
  }

  /// A list.
  public static func list(_ values: [UInt8]...) -> [UInt8] {
    [0x5d] + mark + values.joined() + [0x65]
  }

  /// A dict.
  public static func dictionary(_ entries: [(key: [UInt8], value: [UInt8])]) -> [UInt8] {
    [0x7d] + mark + entries.flatMap { $0.key + $0.value } + [0x75]
  }

  /// A dict with texts as keys.
  public static func dictionary(_ entries: [(String, [UInt8])]) -> [UInt8] {
    dictionary(entries.map { (key: text($0.0), value: $0.1) })
  }

  /// A module's attribute.
  public static func global(_ module: String, _ name: String) -> [UInt8] {
    [0x63] + Array("\(module)\n\(name)\n".utf8)
  }

  /// A call.
  public static func call(_ function: [UInt8], _ arguments: [UInt8]...) -> [UInt8] {
    function + mark + arguments.joined() + [0x74, 0x52]
  }

  /// Puts a value into the memo, too.
  public static func remembered(_ value: [UInt8], at place: UInt8) -> [UInt8] {
    value + [0x71, place]
  }

  /// What the memo has.
  public static func recalled(_ place: UInt8) -> [UInt8] { [0x68, place] }
}

/// A tensor as a pickle of PyTorch's has it, which can break any rule.
public struct TorchEntry: Sendable {
  /// The storage's key.
  public var key = "0"
  /// The storage's class.
  public var type = "FloatStorage"
  /// The storage's elements.
  public var count: Int
  /// The first element's place.
  public var offset = 0
  /// Extents.
  public var sizes: [Int]
  /// For each extent.
  public var strides: [Int]

  /// A view of a storage.
  public init(
    key: String = "0", type: String = "FloatStorage", count: Int, offset: Int = 0, _ sizes: [Int],
    strides: [Int]
  ) {
    (self.key, self.type, self.count, self.offset) = (key, type, count, offset)
    (self.sizes, self.strides) = (sizes, strides)
  }

  /// The reference to the storage.
  public var storage: [UInt8] {
    let module = type == "UntypedStorage" ? "torch.storage" : "torch"
    return Pickle.tuple(
      Pickle.text("storage"), Pickle.global(module, type), Pickle.text(key), Pickle.text("cpu"),
      Pickle.integer(count)) + [0x51]
  }

  /// The call of `_rebuild_tensor_v2`, with more arguments at its end.
  public func pickle(_ more: [UInt8]...) -> [UInt8] {
    Pickle.call(
      Pickle.global("torch._utils", "_rebuild_tensor_v2"), storage, Pickle.integer(offset),
      Pickle.integers(sizes), Pickle.integers(strides), [0x89],
      Pickle.call(Pickle.global("collections", "OrderedDict")), more.reduce([], +))
  }
}

/// A zip archive of PyTorch's, put together by hand.
public struct TorchSample: Sendable {
  /// `data.pkl`.
  public var pickle: [UInt8]
  /// Storages by key.
  public var storages: [(key: String, bytes: [UInt8])]
  /// Other members: name and bytes.
  public var others: [(name: String, bytes: [UInt8])] = []

  /// An archive of a pickle and storages.
  public init(_ pickle: [UInt8], _ storages: [(key: String, bytes: [UInt8])]) {
    (self.pickle, self.storages) = (pickle, storages)
  }

  /// An archive of a state dict over one storage.
  public init(_ entries: [(String, TorchEntry)], storage: [UInt8]) {
    self.init(
      Pickle.file(Pickle.dictionary(entries.map { ($0.0, $0.1.pickle()) })), [("0", storage)])
  }

  /// The archive, to be damaged.
  public var builder: ZipBuilder {
    ZipBuilder(
      [ZipBuilder.Entry("archive/data.pkl", pickle)]
        + storages.map { ZipBuilder.Entry("archive/data/\($0.key)", $0.bytes) }
        + others.map { ZipBuilder.Entry("archive/\($0.name)", $0.bytes) })
  }

  /// The file.
  public var bytes: [UInt8] { builder.bytes }
}
