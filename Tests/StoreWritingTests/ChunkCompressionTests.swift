import CheckpointFormats
import Foundation
import StoreWriting
import TensorModel
import TestSupport
import Testing

/// How small chunks get, by what their bytes are like; `README.md` of `StoreWriting` has the figures of larger tensors.
@Suite struct ChunkCompressionTests {
  private let workspace: Workspace

  init() throws { workspace = try Workspace() }

  private func stored(
    _ bytes: [UInt8], _ dtype: DType, level: Int? = nil, file: String = "v.h5"
  ) throws -> (chunks: [StoredChunk], byteCount: Int) {
    let type = TensorType(dtype, [bytes.count / dtype.blockByteCount])
    let dataset = PlannedDataset(
      name: "t", type: type, encoding: StoreEncoding.encoding(of: type, isCompressed: true))
    let volume = try CompressedVolume(creating: workspace.path(file), [dataset], level: level)
    let encoded = try bytes.withUnsafeBytes { try volume.encode($0, at: 0, of: 0) }
    try bytes.withUnsafeBytes { try volume.write(encoded, $0, of: 0) }
    volume.finish(0)
    let chunks = try volume.close().chunks[0]
    return (chunks, chunks.reduce(0) { $0 + $1.byteCount })
  }

  private func bytes<Element>(_ elements: [Element]) -> [UInt8] {
    elements.withUnsafeBytes { Array($0) }
  }

  /// bf16 of a normal distribution.
  private func weights(_ count: Int) -> [UInt16] {
    var random = FixedRandom(seed: 11)
    return (0..<count).map { _ in
      let radius = (-2 * log(1 - Double.random(in: 0..<1, using: &random))).squareRoot()
      let angle = 2 * Double.pi * Double.random(in: 0..<1, using: &random)
      return UInt16(truncatingIfNeeded: Float(0.02 * radius * cos(angle)).bitPattern >> 16)
    }
  }

  @Test func weightsComeCloseToTheirEntropy() throws {
    // After the shuffle it is 0.6655 of 16 bits.
    let source = bytes(weights(1 << 19))
    let count = try stored(source, .bf16).byteCount
    #expect(Double(count) / Double(source.count) < 0.672)
    #expect(try stored(source, .bf16, level: 3, file: "level.h5").byteCount > count)
  }

  @Test func whatRepeatsIsSearchedWhateverTheDType() throws {
    let sines = (0..<(1 << 18)).map { Float(sin(Double($0 / 512) * pow(0.98, Double($0 % 512)))) }
    let rows = Array(repeating: weights(512), count: 512).flatMap { $0 }
    let positions = (0..<Int64(1 << 17)).map { $0 % 2048 }
    let mask = (0..<(1 << 20)).map { UInt8($0 % 1024 <= $0 / 1024 ? 1 : 0) }
    for (name, source, dtype, limit) in [
      ("sines", bytes(sines), .f32, 0.65), ("rows", bytes(rows), .bf16, 0.02),
      ("positions", bytes(positions), .i64, 0.01), ("mask", mask, .bool, 0.01),
      ("mask of bytes", mask, .u8, 0.01),
    ] as [(String, [UInt8], DType, Double)] {
      let count = try stored(source, dtype, file: "\(name).h5").byteCount
      #expect(Double(count) / Double(source.count) < limit, "\(name)")
    }
  }

  @Test func rowsOfZerosCostLittle() throws {
    // Every other row of 512.
    var source = weights(1 << 19)
    for index in source.indices where index / 512 % 2 == 0 { source[index] = 0 }
    let count = try stored(bytes(source), .bf16).byteCount
    #expect(Double(count) / Double(source.count * 2) < 0.37)
  }

  @Test func randomBytesStayAsTheyAre() throws {
    var random = FixedRandom(seed: 2)
    let source = random.bytes(100_000)
    let chunks = try stored(source, .u8).chunks
    #expect(chunks.map(\.byteCount) == [source.count])
    #expect(chunks.map(\.filterMask) == [1])
  }

  @Test func chunksDependOnTheirBytesOnly() throws {
    // One tensor's second chunk is another's first.
    let half = weights(1 << 20)
    let repeated = (0..<(1 << 20)).map { half[$0 % 1000] }
    let one = try stored(bytes(half + repeated + half), .bf16, file: "1.h5").chunks
    let other = try stored(bytes(repeated + half), .bf16, file: "2.h5").chunks
    #expect(one.count == 3)
    #expect(one.map(\.checksum) == [other[1], other[0], other[1]].map(\.checksum))
  }
}
