import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@Suite struct NPZTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  @Test(arguments: Fixtures.cases("bad/npz"))
  func givesItsVerdict(_ file: Fixtures.Case) throws {
    let error = try failure(file.path)
    #expect((error != nil) == (file.verdict == "reject"), "\(error?.description ?? "opened")")
    guard error == nil else {
      #expect(error?.file != nil)
      return
    }
    let findings = try Source(file.path).checkpoint.findings
    #expect(findings.contains { $0.severity == .warning } == (file.verdict == "warn"))
  }

  private static let values: [Int16] = [1, -2, 300, -400, 5, 6]

  /// 1, −2, 300 and −400, 5, 6 in rows of three, stored in any way, are the same tensor.
  @Test(arguments: [
    ("<i2", false), (">i2", false), ("<i2", true), (">i2", true),
  ])
  func readsAnyOrderOfElementsAndBytes(_ descriptor: String, _ isFortran: Bool) throws {
    let order = isFortran ? [0, 3, 1, 4, 2, 5] : Array(0..<6)
    let data = order.flatMap { index in
      let bytes = Self.values[index].littleEndianBytes
      return descriptor.hasPrefix(">") ? bytes.reversed() : bytes
    }
    let array = npyFile(descriptor, [2, 3], data, isFortranOrder: isFortran)
    let expected = Self.values.flatMap(\.littleEndianBytes)
    for (name, bytes) in [("x.npy", array), ("x.npz", npzFile([array]))] {
      let source = try Source(workspace.write(name, Data(bytes)))
      let tensor = try #require(source.checkpoint.tensors.first)
      #expect(tensor.dtype == .i16 && tensor.shape == [2, 3])
      #expect(tensor.name == (name == "x.npy" ? "x" : "arr_0"))
      #expect(try source.reader.contents(0) == expected)
      let corner = MatrixRegion(rows: 1..<2, columns: 1..<3)
      #expect(try source.reader.contents(0, corner) == Array(expected[8..<12]))
    }
  }

  @Test func readsDeflatedMembersLikeStoredOnes() throws {
    let stored = try Source(Fixtures.path("zip/new_seekable_stored.npz"))
    for name in ["old_seekable_deflated", "new_streamed_deflated", "new_seekable_deflated"] {
      let deflated = try Source(Fixtures.path("zip/\(name).npz"))
      #expect(
        deflated.checkpoint.tensors.map(\.name) == stored.checkpoint.tensors.map(\.name))
      for position in 0..<2 {
        #expect(try deflated.reader.contents(position) == stored.reader.contents(position))
      }
    }
  }

  @Test func takesNumpysTwoSpellingsOfBF16ForTheSame() throws {
    let sources = try ["py311_bf16", "py311_resaved_V2"].map {
      try Source(Fixtures.path("mesh-transformer/npz_variants/\($0).npz"))
    }
    for (left, right) in zip(sources[0].checkpoint.tensors, sources[1].checkpoint.tensors) {
      #expect(left.dtype == right.dtype && left.shape == right.shape && left.name == right.name)
    }
    #expect(sources[0].checkpoint.tensors.contains { $0.dtype == .bf16 })
    for position in sources[0].checkpoint.tensors.indices {
      #expect(
        try sources[0].reader.contents(position) == sources[1].reader.contents(position))
    }
  }

  @Test func keepsTheOrderOfTheArchive() throws {
    let builder = ZipBuilder(
      ["z", "a", "m/n"].map { ZipBuilder.Entry("\($0).npy", npyFile("|u1", [1], [7])) })
    let source = try Source(workspace.write("x.npz", Data(builder.bytes)))
    #expect(source.checkpoint.tensors.map(\.name) == ["z", "a", "m/n"])
  }
}
