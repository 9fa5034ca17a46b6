// Small models that tests take apart: a fixture's tensors and configuration, edited and written elsewhere.

public import Foundation

/// A numpy array of four-byte numbers.
public struct ArrayFile {
  /// The extents.
  public let shape: [Int]
  /// The elements.
  public let bytes: Data

  /// Reads a version 1 file of `<f4` or `<i4`.
  public init(_ path: String) throws {
    let data = try Data(contentsOf: URL(filePath: path))
    let length = Int(data[8]) | Int(data[9]) << 8
    let header = String(decoding: data[10..<10 + length], as: UTF8.self)
    let extents = header.split(separator: "(")[1].split(separator: ")")[0]
    shape = extents.split(separator: ",").compactMap {
      Int($0.trimmingCharacters(in: .whitespaces))
    }
    bytes = Data(data.dropFirst(10 + length))
  }

  /// The elements as F32.
  public var floats: [Float] { bytes.numbers() }

  /// The elements as I32.
  public var integers: [Int] { (bytes.numbers() as [Int32]).map(Int.init) }
}

extension Data {
  /// The bytes as little-endian numbers, one after the other.
  public func numbers<Number: BitwiseCopyable>() -> [Number] {
    let count = count / MemoryLayout<Number>.size
    return [Number](unsafeUninitializedCapacity: count) { buffer, initialised in
      copyBytes(to: UnsafeMutableRawBufferPointer(buffer))
      initialised = count
    }
  }
}

/// A model of one safetensors file and its `config.json`.
public struct ModelSample {
  /// The tensors.
  public var tensors: SafetensorsSample
  /// The configuration.
  public var configuration: [String: Any]

  /// The fixture of that name below `huggingface`.
  public init(_ name: String) throws { try self.init(folder: "huggingface/\(name)") }

  /// The model in a folder below `fixtures`.
  public init(folder: String) throws {
    tensors = try SafetensorsSample(
      parsing: Data(try Fixtures.bytes("\(folder)/model.safetensors")))
    let object = try JSONSerialization.jsonObject(
      with: Data(try Fixtures.bytes("\(folder)/config.json")))
    configuration = object as? [String: Any] ?? [:]
  }

  /// Writes both into a folder and returns its path.
  public func write(_ workspace: Workspace, _ name: String) throws -> String {
    try workspace.write("\(name)/model.safetensors", tensors.fileContents)
    try workspace.write(
      "\(name)/config.json",
      JSONSerialization.data(withJSONObject: configuration, options: .sortedKeys))
    return workspace.path(name)
  }

  /// Changes a tensor of F32.
  public mutating func edit(_ name: String, _ change: (inout [Float]) -> Void) {
    guard let index = tensors.tensors.firstIndex(where: { $0.name == name }) else {
      preconditionFailure("no tensor \(name)")
    }
    var values: [Float] = tensors.tensors[index].data.numbers()
    change(&values)
    tensors.tensors[index].data = values.withUnsafeBytes { Data($0) }
  }

  /// Reorders the rows of a matrix of F32: row n becomes what row `order(n)` was.
  public mutating func permuteRows(_ name: String, _ order: (Int) -> Int) {
    guard let shape = tensors[name]?.shape else { preconditionFailure("no tensor \(name)") }
    let width = shape.dropFirst().reduce(1, *)
    edit(name) { values in
      values = (0..<shape[0]).flatMap { row in
        values[order(row) * width..<(order(row) + 1) * width]
      }
    }
  }

  /// Exchanges the data of two tensors.
  public mutating func exchange(_ one: String, _ other: String) {
    guard let first = tensors.tensors.firstIndex(where: { $0.name == one }),
      let second = tensors.tensors.firstIndex(where: { $0.name == other })
    else { preconditionFailure("no tensor \(one) or \(other)") }
    let data = tensors.tensors[first].data
    tensors.tensors[first].data = tensors.tensors[second].data
    tensors.tensors[second].data = data
  }

  /// Turns a square matrix of F32 over.
  public mutating func transpose(_ name: String) {
    let width = tensors[name]?.shape[0] ?? 0
    edit(name) { values in
      values = values.indices.map { values[$0 % width * width + $0 / width] }
    }
  }

  /// Makes F32 of all tensors of BF16.
  public mutating func widen() {
    for index in tensors.tensors.indices where tensors.tensors[index].dtype == "BF16" {
      let halves: [UInt16] = tensors.tensors[index].data.numbers()
      let values = halves.map { Float(bitPattern: UInt32($0) << 16) }
      tensors.tensors[index].dtype = "F32"
      tensors.tensors[index].data = values.withUnsafeBytes { Data($0) }
    }
  }

  /// Casts all tensors of F32: BF16 by rounding to nearest even, F16 as Swift does.
  public mutating func cast(to dtype: String) {
    for index in tensors.tensors.indices where tensors.tensors[index].dtype == "F32" {
      let values: [Float] = tensors.tensors[index].data.numbers()
      let halves = values.map { dtype == "BF16" ? $0.bfloat16Bits : Float16($0).bitPattern }
      tensors.tensors[index].dtype = dtype
      tensors.tensors[index].data = halves.withUnsafeBytes { Data($0) }
    }
  }
}

extension Float {
  /// The nearest BF16; only for finite numbers.
  public var bfloat16Bits: UInt16 {
    UInt16((bitPattern + 0x7fff + (bitPattern >> 16 & 1)) >> 16)
  }
}
