// safetensors files written and read without the code under test.

public import Foundation

/// A tensor as it stands in a safetensors file.
public struct SampleTensor: Hashable, Sendable {
  /// Its name.
  public var name: String
  /// As safetensors spells it.
  public var dtype: String
  /// Its extents.
  public var shape: [Int]
  /// Its bytes.
  public var data: Data

  /// A tensor.
  public init(_ name: String, _ dtype: String, _ shape: [Int], _ data: Data) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.data = data
  }

  /// A tensor of F32.
  public init(_ name: String, _ shape: [Int], floats: [Float]) {
    self.init(name, "F32", shape, floats.withUnsafeBytes { Data($0) })
  }
}

/// A safetensors file in memory.
public struct SafetensorsSample: Hashable, Sendable {
  /// The tensors in the order of their data.
  public var tensors: [SampleTensor]
  /// `__metadata__`.
  public var metadata: [String: String]

  /// A file of these tensors.
  public init(_ tensors: [SampleTensor], metadata: [String: String] = [:]) {
    self.tensors = tensors
    self.metadata = metadata
  }

  /// The tensor of that name.
  public subscript(name: String) -> SampleTensor? { tensors.first { $0.name == name } }

  /// The whole file.
  public var fileContents: Data {
    get throws {
      var entries: [String: Any] = [:]
      if !metadata.isEmpty { entries["__metadata__"] = metadata }
      var end = 0
      for tensor in tensors {
        entries[tensor.name] = [
          "dtype": tensor.dtype, "shape": tensor.shape,
          "data_offsets": [end, end + tensor.data.count],
        ]
        end += tensor.data.count
      }
      var header = try JSONSerialization.data(withJSONObject: entries, options: .sortedKeys)
      header += Data(repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
      let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
      return tensors.reduce(into: length + header) { $0 += $1.data }
    }
  }

  /// What is wrong with a file, in the eyes of this parser.
  public struct Unreadable: Error {
    /// Why.
    public let reason: String
  }

  private struct Entry: Decodable {
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
  }

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private struct Header: Decodable {
    var metadata: [String: String] = [:]
    var entries: [(String, Entry)] = []

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Name.self)
      for key in container.allKeys {
        if key.stringValue == "__metadata__" {
          metadata = try container.decode([String: String].self, forKey: key)
        } else {
          entries.append((key.stringValue, try container.decode(Entry.self, forKey: key)))
        }
      }
    }
  }

  /// Reads a file; its tensors must follow each other without holes up to its end, its data begin at a multiple of 8.
  public init(parsing file: Data) throws {
    guard file.count >= 8 else { throw Unreadable(reason: "\(file.count) bytes") }
    let length = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length % 8 == 0, length <= file.count - 8 else {
      throw Unreadable(reason: "a header of \(length) bytes")
    }
    let start = file.startIndex + 8
    let header = try JSONDecoder().decode(
      Header.self, from: file.subdata(in: start..<start + length))
    metadata = header.metadata
    tensors = []
    var end = 0
    for (name, entry) in header.entries.sorted(by: {
      ($0.1.data_offsets[0], $0.1.data_offsets[1]) < ($1.1.data_offsets[0], $1.1.data_offsets[1])
    }) {
      guard entry.data_offsets[0] == end else { throw Unreadable(reason: "a hole before \(name)") }
      end = entry.data_offsets[1]
      let data = file.subdata(in: start + length + entry.data_offsets[0]..<start + length + end)
      tensors.append(SampleTensor(name, entry.dtype, entry.shape, data))
    }
    guard start + length + end == file.endIndex else { throw Unreadable(reason: "a rest") }
  }

  /// Reads all `.safetensors` files of a folder, in the order of their names.
  public init(folder: String) throws {
    self.init([])
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    for name in names where name.hasSuffix(".safetensors") {
      let part = try SafetensorsSample(
        parsing: Data(contentsOf: URL(filePath: "\(folder)/\(name)")))
      tensors += part.tensors
      metadata.merge(part.metadata) { first, _ in first }
    }
  }
}

/// The same numbers in every run (xorshift64*).
public struct SampleRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Numbers that depend on the seed alone.
  public init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  /// The next number.
  public mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_f491_4f6c_dd1d
  }

  /// So many bytes.
  public mutating func bytes(_ count: Int) -> Data {
    var words = [UInt64](repeating: 0, count: (count + 7) / 8)
    for index in words.indices { words[index] = next() }
    return words.withUnsafeBytes { Data($0.prefix(count)) }
  }

  /// Bytes of so many F32 numbers between -1 and 1, none of them exact in a narrower dtype.
  public mutating func floats(_ count: Int) -> Data {
    var data = [UInt32](repeating: 0, count: count)
    for index in data.indices {
      let bits = UInt32(truncatingIfNeeded: next() >> 32)
      data[index] = bits & 0x80ff_ffff | 0x3e00_0001
    }
    return data.withUnsafeBytes { Data($0) }
  }
}
