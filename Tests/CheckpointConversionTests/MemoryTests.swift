import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// How much memory conversions take; in processes of their own, whose buffers are nobody else's.
@Suite struct MemoryTests {
  @Test func importsTakeTheSameMemoryWhateverTheSize() async {
    await #expect(processExitsWith: .success) {
      try requireSameMemory { source, destination in try convertToStore(source, destination) }
    }
  }
}

/// Throws unless work on four times as many random weights takes no more buffers, and asks the system for hardly more.
private func requireSameMemory(_ work: (String, String) throws -> Void) throws {
  let workspace = try Workspace()
  var random = FixedRandom(seed: 13)
  PageArena.shared.limit = smallResources.memory
  var counts: [PageArena.Counts] = []
  for (round, tensorCount) in [4, 16].enumerated() {
    // Of several slabs each.
    let tensors = (0..<tensorCount).map {
      SampleTensor("weight.\($0)", "BF16", [1536, 1024], Data(randomWeights(3 << 20, &random)))
    }
    let source = try workspace.write(
      "\(round)/model.safetensors", SafetensorsSample(tensors).fileContents)
    try work(source, workspace.path("out\(round)"))
    counts.append(PageArena.shared.counts)
  }
  try #require(counts[0].peak >= 8 << 20, "buffers are no pages")
  try #require(counts[1].peak <= counts[0].peak / 10 * 11)
  try #require(counts[1].peak <= smallResources.memory)
  try #require(counts[1].mappingCount <= 3 * counts[0].mappingCount)
  try #require(counts[1].used == 0)
}

/// bf16 of random signs and fractions: every second byte can be compressed.
private func randomWeights(_ byteCount: Int, _ random: inout FixedRandom) -> [UInt8] {
  var bytes = random.bytes(byteCount)
  for place in stride(from: 1, to: byteCount, by: 2) { bytes[place] = 0x3c | bytes[place] & 0x80 }
  return bytes
}
