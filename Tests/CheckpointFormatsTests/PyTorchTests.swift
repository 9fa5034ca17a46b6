import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// A file that `fixtures/pytorch/make.py` wrote, and what PyTorch has in it.
struct TorchFixture: Sendable, CustomTestStringConvertible {
  struct Tensor: Decodable, Sendable {
    let name: String
    let dtype: String
    let shape: [Int]
    let sha256: String
  }

  var folder = "tensors"
  let name: String
  let tensors: [Tensor]
  var testDescription: String { name }
  var path: String { Fixtures.path("pytorch/\(folder)/\(name)") }

  static let all = fixtures(in: "tensors")
  static let states = fixtures(in: "states")

  private static func fixtures(in folder: String) -> [TorchFixture] {
    let data = (try? Fixtures.bytes("pytorch/\(folder)/expected.json")) ?? []
    let entries = try? JSONDecoder().decode([String: [Tensor]].self, from: Data(data))
    return (entries ?? [:]).sorted { $0.key < $1.key }
      .map { TorchFixture(folder: folder, name: $0.key, tensors: $0.value) }
  }

  static func named(_ name: String) throws -> TorchFixture {
    try #require(all.first { $0.name == name })
  }
}

/// Files as `torch.save` writes them.
@Suite struct PyTorchTests {
  @Test func fixturesAreAllThere() {
    #expect(TorchFixture.all.count == 23 && TorchFixture.states.count == 9)
  }

  @Test(arguments: TorchFixture.all + TorchFixture.states)
  func givesTheTensorsThatPyTorchHas(_ fixture: TorchFixture) throws {
    let reader = try Source(fixture.path).reader
    #expect(reader.checkpoint.format == "pytorch")
    try #require(reader.checkpoint.tensors.map(\.name) == fixture.tensors.map(\.name))
    for (position, expected) in fixture.tensors.enumerated() {
      let tensor = reader.checkpoint.tensors[position]
      #expect(tensor.dtype.rawValue == expected.dtype, "\(tensor.name)")
      #expect(tensor.shape.dimensions == expected.shape, "\(tensor.name)")
      let digest = Digest(of: try reader.contents(position)).hexadecimal
      #expect(digest == expected.sha256, "\(tensor.name)")
      try reader.confirm(position)
    }
  }

  @Test(arguments: [
    "views.bin", "views_bf16.bin", "views_legacy.bin", "views_deflated.bin", "views_big_endian.bin",
    "old_views.bin",
  ])
  func everyRegionOfAViewIsThatOfTheWhole(name: String) throws {
    let reader = try Source(Fixtures.path("pytorch/tensors/\(name)")).reader
    for position in reader.checkpoint.tensors.indices {
      let tensor = reader.checkpoint.tensors[position]
      let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
      let whole = try reader.contents(position)
      let (columns, cell) = (geometry.columns, geometry.cellByteCount)
      for rows in [0..<geometry.rows, 0..<min(1, geometry.rows), geometry.rows / 2..<geometry.rows]
      where !rows.isEmpty {
        for first in 0..<columns {
          for end in first + 1...columns {
            let region = MatrixRegion(rows: rows, columns: first..<end)
            let expected = rows.flatMap { row in
              whole[(row * columns + first) * cell..<(row * columns + end) * cell]
            }
            #expect(try reader.contents(position, region) == expected, "\(tensor.name) \(region)")
          }
        }
      }
    }
  }

  /// Windows of the storage that are larger than what is read at once.
  @Test func largeTransposedTensorsAreReadInPieces() throws {
    let (rows, columns) = (300, 700)
    let values = (0..<rows * columns).map { Float($0) }
    let storage = values.withUnsafeBytes { [UInt8]($0) }
    let workspace = try Workspace()
    let sample = TorchSample(
      [
        ("turned", TorchEntry(count: values.count, [columns, rows], strides: [1, columns])),
        ("thin", TorchEntry(count: values.count, offset: 5, [rows, 1], strides: [columns, 1])),
        ("far", TorchEntry(count: values.count, offset: 3, [2, 2], strides: [199_000, 9000])),
      ], storage: storage)
    let reader = try Source(workspace.write("x.bin", Data(sample.bytes))).reader
    func read(_ position: Int) throws -> [Float] { Data(try reader.contents(position)).numbers() }
    #expect(
      try read(0)
        == (0..<columns).flatMap { column in (0..<rows).map { Float($0 * columns + column) } })
    #expect(try read(1) == (0..<rows).map { Float($0 * columns + 5) })
    #expect(try read(2) == [3, 9003, 199_003, 208_003])
    let middle = MatrixRegion(rows: 100..<650, columns: 7..<211)
    let part: [Float] = Data(try reader.contents(0, middle)).numbers()
    #expect(
      part == (100..<650).flatMap { row in (7..<211).map { Float($0 * columns + row) } })
  }

  // MARK: Layouts

  @Test func sharedStoragesAreNamed() throws {
    let tensors = try Source(Fixtures.path("pytorch/tensors/tied.pt")).checkpoint.tensors
    #expect(tensors.map(\.sharesStorageWith) == [nil, "wte.weight", "wte.weight"])
    let sharded = try Source(Fixtures.path("pytorch/tensors/sharded")).checkpoint.tensors
    #expect(sharded.map(\.sharesStorageWith) == [nil, "a", nil, nil])
  }

  @Test(
    arguments: [
      (
        "state_dict.pt", ["nested-state-dict", "training-state-left-out"],
        "'epoch', 'optimizer', 'best'"
      ),
      (
        "two_levels.pt",
        ["nested-state-dict", "training-state-left-out", "training-state-left-out"],
        "'model.module'"
      ),
      ("settings_too.pt", ["nested-state-dict", "training-state-left-out"], "'model_state_dict'"),
      (
        "nested.pt", ["not-a-tensor"],
        "'encoder.name', 'version', 'shape', 'device', 'kind' and 2 more"
      ),
      ("lists.pt", ["not-a-tensor", "tensors-left-out"], "'all'"),
      ("parameters.pt", ["tensor-attributes"], "of tensors: 2"),
      ("module.pth", [], ""), ("protocol4.pt", [], ""), ("old_views.bin", ["no-checksums"], ""),
    ])
  func saysWhatIsNoWeight(_ name: String, _ checks: [String], _ part: String) throws {
    let findings = try Source(Fixtures.path("pytorch/tensors/\(name)")).checkpoint.findings
    #expect(findings.map(\.check) == checks, "\(findings)")
    #expect(part.isEmpty || findings.contains { $0.message.contains(part) }, "\(findings)")
    #expect(findings.allSatisfy { ($0.severity == .note) == ($0.check != "tensors-left-out") })
  }

  @Test func kindsThatAreNotReadAreWarnedOfAndNotConverted() throws {
    let source = try Source(Fixtures.path("pytorch/tensors/unreadable.pt"))
    let findings = source.checkpoint.findings
    #expect(findings.allSatisfy { $0.severity == .warning && $0.check == "unreadable-tensor" })
    let names = findings.compactMap(\.tensor)
    #expect(names == ["per_tensor", "per_channel", "sparse", "wide", "conjugated"])
    let error = #expect(throws: CheckpointError.self) { try source.model() }
    #expect(error?.code == .unsupported && error?.tensor == "per_tensor" && error?.hint != nil)
  }

  @Test(arguments: [
    ("torchscript.pt", "TorchScript"), ("bare.pkl", "pickle"),
  ])
  func namesWhatIsNotRead(_ name: String, _ word: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try Source(Fixtures.path("pytorch/tensors/\(name)"))
    }
    #expect(error?.code == .unsupported && error?.file == name && error?.hint != nil)
    #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
  }

  @Test func theTarFormatOfOldIsRefusedByName() throws {
    var tar = TarBuilder()
    for name in ["pickle", "storages", "tensors"] { tar.add(name, [0x80, 2, 0x4e, 0x2e]) }
    tar.end()
    let workspace = try Workspace()
    for name in ["model.pt", "model.tar"] {
      let path = try workspace.write(name, Data(tar.bytes))
      let error = #expect(throws: CheckpointError.self) { try Source(path) }
      #expect(error?.code == .unsupported)
      #expect(error?.message.contains("tar format") == true, "\(error?.description ?? "")")
    }
  }
}
