import CTensorKernels
import Crypto

/// A SHA-256 under way that can go on together with another one.
///
/// Each step of SHA-256 waits for the one before. Where the processor has instructions for it, bytes of two messages take hardly longer
/// than those of one, and the same come out; elsewhere it is the same as `StreamingDigest`.
public struct PairedDigest {
  private enum State {
    case kernel(wb_sha256)
    case library(SHA256)
  }

  private var state: State

  /// Whether two go on together in the time of one on this machine.
  public static let isAccelerated = wb_sha256_is_accelerated()

  /// A digest of nothing yet.
  public init() { self.init(isAccelerated: Self.isAccelerated) }

  init(isAccelerated: Bool) {
    state = isAccelerated ? .kernel(wb_sha256_started(true)) : .library(SHA256())
  }

  /// Takes in the next bytes.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    switch state {
    case .kernel(var hash):
      wb_sha256_update(&hash, bytes.baseAddress, bytes.count)
      state = .kernel(hash)
    case .library(var hash):
      hash.update(bufferPointer: bytes)
      state = .library(hash)
    }
  }

  /// Takes in the next bytes of two.
  ///
  /// As many bytes as the shorter has go on together: give both about as many, at least a few kilobytes.
  ///
  /// - Parameters:
  ///   - bytes: the next of this one.
  ///   - other: the second.
  ///   - otherBytes: the next of the second; they may be the same bytes.
  public mutating func update(
    _ bytes: UnsafeRawBufferPointer, with other: inout PairedDigest,
    _ otherBytes: UnsafeRawBufferPointer
  ) {
    guard case .kernel(var hash) = state, case .kernel(var otherHash) = other.state else {
      update(bytes)
      other.update(otherBytes)
      return
    }
    wb_sha256_update_two(
      &hash, bytes.baseAddress, bytes.count, &otherHash, otherBytes.baseAddress, otherBytes.count)
    state = .kernel(hash)
    other.state = .kernel(otherHash)
  }

  /// The digest of all bytes so far.
  public var digest: Digest {
    switch state {
    case .kernel(var hash):
      return withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { bytes in
        wb_sha256_digest(&hash, bytes.baseAddress)
        return Digest(raw: UnsafeRawBufferPointer(bytes))
      }
    case .library(let hash): return Digest(hash.finalize())
    }
  }
}
