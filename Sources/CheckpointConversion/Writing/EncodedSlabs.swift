import StoreWriting
import Synchronization
import TensorEvaluation

/// Encoded slabs between encoding and their turn to be written.
final class EncodedSlabs: Sendable {
  private struct Key: Hashable {
    let tensor: Int
    let byteOffset: Int
  }

  private let waiting = Mutex<[Key: EncodedChunks]>([:])

  func put(_ chunks: EncodedChunks?, _ slab: EvaluatedSlab) {
    waiting.withLock { $0[Key(tensor: slab.index, byteOffset: slab.byteOffset)] = chunks }
  }

  func take(_ slab: EvaluatedSlab) -> EncodedChunks? {
    waiting.withLock {
      $0.removeValue(forKey: Key(tensor: slab.index, byteOffset: slab.byteOffset))
    }
  }
}
