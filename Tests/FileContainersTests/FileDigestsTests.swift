import Foundation
import Synchronization
import TensorModel
import TestSupport
import Testing

@testable import FileContainers

/// Digests that go on side by side are those of each alone.
@Suite struct FileDigestsTests {
  private static let variants = PairedDigest.isAccelerated ? [false, true] : [false]
  /// Empty files, equal ones, and some that take several reads.
  private static let byteCounts = [
    0, 1, 64, 1 << 20, (1 << 20) + 1, 63, 0, 1_500_000, 65, 1_500_000, 7, (2 << 20) + 77,
  ]

  private struct Failure {
    static func error(_ place: Int) -> CheckpointError {
      CheckpointError(.corrupt, "file \(place)", hint: "none")
    }
  }

  @Test(arguments: variants) func twoGoOnTogether(_ isAccelerated: Bool) {
    var random = FixedRandom(seed: 21)
    let bytes = random.bytes(1000)
    var (first, second) = (
      PairedDigest(isAccelerated: isAccelerated), PairedDigest(isAccelerated: isAccelerated)
    )
    bytes.withUnsafeBytes { buffer in
      for (start, end, otherStart, otherEnd) in [
        (0, 300, 10, 400), (300, 300, 400, 401), (300, 900, 401, 401), (900, 1000, 401, 990),
      ] {
        first.update(
          UnsafeRawBufferPointer(rebasing: buffer[start..<end]), with: &second,
          UnsafeRawBufferPointer(rebasing: buffer[otherStart..<otherEnd]))
      }
    }
    #expect(first.digest == Digest(of: bytes))
    #expect(second.digest == Digest(of: Array(bytes[10..<990])))
    #expect(PairedDigest(isAccelerated: isAccelerated).digest == Digest(of: []))
  }

  @Test(arguments: variants) func digestsOfFilesAreInOrder(_ isPaired: Bool) throws {
    let workspace = try Workspace()
    var random = FixedRandom(seed: 22)
    let contents = Self.byteCounts.map { random.bytes($0) }
    for (place, bytes) in contents.enumerated() { try workspace.write("\(place)", Data(bytes)) }
    let read = Atomic(0)
    let digests = try FileDigests.map(contents.count + 1, isPaired: isPaired) { (byteCount) in
      read.add(byteCount, ordering: .relaxed)
    } open: { (place) throws(CheckpointError) -> FileDigests.Work<Digest?> in
      place == contents.count
        ? .known(nil) : .hash(try InputFile(path: workspace.path("\(place)")))
    } result: { (place, file, digest) throws(CheckpointError) -> Digest? in
      #expect(file.byteCount == contents[place].count)
      return digest
    }
    #expect(digests == contents.map { Digest(of: $0) } + [nil])
    #expect(read.load(ordering: .relaxed) == Self.byteCounts.reduce(0, +))
    let none = try FileDigests.map(0, isPaired: isPaired, progress: { _ in }) {
      (place) throws(CheckpointError) -> FileDigests.Work<Int> in
      throw Failure.error(place)
    } result: { (place, _, _) in
      place
    }
    #expect(none.isEmpty)
  }

  @Test(arguments: variants, ["open", "result"])
  func theErrorOfTheFirstFileCounts(_ isPaired: Bool, _ origin: String) throws {
    let workspace = try Workspace()
    let path = try workspace.write("a", Data([UInt8](repeating: 1, count: 1000)))
    for _ in 0..<20 {
      #expect(throws: Failure.error(3)) {
        try FileDigests.map(40, isPaired: isPaired, progress: { _ in }) {
          (place) throws(CheckpointError) -> FileDigests.Work<Int> in
          if origin == "open", place == 3 || place > 5 { throw Failure.error(place) }
          return .hash(try InputFile(path: path))
        } result: { (place, _, _) throws(CheckpointError) in
          if origin == "result", place == 3 || place > 5 { throw Failure.error(place) }
          return place
        }
      }
    }
  }

  @Test(arguments: variants) func whatProgressThrowsEndsTheWork(_ isPaired: Bool) throws {
    let workspace = try Workspace()
    let path = try workspace.write("a", Data([UInt8](repeating: 1, count: 10)))
    let opened = Atomic(0)
    #expect(throws: Failure.error(-1)) {
      try FileDigests.map(1000, isPaired: isPaired) { (_) throws(CheckpointError) in
        throw Failure.error(-1)
      } open: { (_) throws(CheckpointError) -> FileDigests.Work<Digest> in
        opened.add(1, ordering: .relaxed)
        return .hash(try InputFile(path: path))
      } result: { (_, _, digest) in
        digest
      }
    }
    #expect(opened.load(ordering: .relaxed) <= 4 * ParallelPieces.threadCount)
  }
}
