import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// What holds for every format; a new one needs a line in `FormatSample.all`.
@Suite struct ConformanceTests {
  @Test(arguments: Formats.all.indices)
  func hasANameASummaryAndASample(_ index: Int) {
    let format = Formats.all[index]
    #expect(!format.summary.isEmpty)
    #expect(FormatSample.all.contains { $0.format == format.name })
    for name in [format.name] + format.aliases {
      #expect(Formats.named(name)?.name == format.name)
      #expect(Formats.all.count { $0.name == name || $0.aliases.contains(name) } == 1)
    }
  }

  @Test func knowsNoOtherNames() { #expect(Formats.named("zip") == nil) }

  @Test(arguments: FormatSample.all)
  func opensItsSample(_ sample: FormatSample) throws {
    let source = try sample.open()
    #expect(source.checkpoint.format == sample.format)
    #expect(source.checkpoint.tensors.count == sample.tensorCount)
    // Updates of others don't say which base is theirs.
    #expect(
      source.checkpoint.findings.allSatisfy {
        $0.severity == .note || $0.check == "base-unproven" && sample.format == "weight-delta"
      })
    #expect(!source.inputs.isEmpty)
    let files = Set(source.checkpoint.files.map(\.name))
    #expect(source.checkpoint.tensors.allSatisfy { files.contains($0.file) })
    for (position, tensor) in source.checkpoint.tensors.enumerated() {
      #expect(source.checkpoint.position(of: tensor.name) == position)
      #expect(tensor.dtype.byteCount(elementCount: tensor.shape.elementCount) == tensor.byteCount)
    }
  }

  @Test(arguments: FormatSample.all)
  func readsTheSameBytesWholeAndInRegions(_ sample: FormatSample) throws {
    let reader = try sample.open().reader
    for position in reader.checkpoint.tensors.indices.prefix(24) {
      let tensor = reader.checkpoint.tensors[position]
      let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
      guard geometry.whole.cellCount > 0 else { continue }
      let whole = try reader.contents(position)
      let (rows, columns) = (geometry.rows, geometry.columns)
      for region in [
        MatrixRegion(rows: 0..<1, columns: 0..<columns),
        MatrixRegion(rows: rows - 1..<rows, columns: columns - 1..<columns),
        MatrixRegion(rows: rows / 3..<max(rows / 3 + 1, rows / 2), columns: columns / 2..<columns),
      ] {
        let part = try reader.contents(position, region)
        let expected = region.rows.flatMap { row in
          let start = (row * columns + region.columns.lowerBound) * geometry.cellByteCount
          return whole[start..<start + region.columns.count * geometry.cellByteCount]
        }
        #expect(part == expected, "\(tensor.name) \(region)")
      }
    }
  }

  @Test(arguments: FormatSample.all)
  func givesCanonicalTensorsThatFitTheirExpressions(_ sample: FormatSample) throws {
    let reader = try sample.open().reader
    let tensors = try reader.canonicalTensors()
    #expect(Set(tensors.map { ExactName($0.name) }).count == tensors.count)
    for tensor in tensors {
      let type = try tensor.expression.type { reader.checkpoint.type(of: $0) }
      #expect(type.shape == tensor.shape, "\(tensor.name)")
      #expect(type.dtype == tensor.dtype || type.dtype == .f32, "\(tensor.name)")
    }
  }

  // MARK: What is no checkpoint

  @Test func saysWhatIsMissing() throws {
    let workspace = try Workspace()
    let nothing = #expect(throws: CheckpointError.self) { try Source(workspace.path("none")) }
    #expect(nothing?.code == .missing)
    let empty = #expect(throws: CheckpointError.self) { try Source(workspace.path) }
    #expect(empty?.code == .unsupported && empty?.found == "nothing")
    let device = #expect(throws: CheckpointError.self) { try Source("/dev/null") }
    #expect(device?.code == .unsupported)
  }

  @Test(
    arguments: [
      ([], "empty"),
      (Array("version https://git-lfs.github.com/spec/v1\noid sha256:0".utf8), "Git LFS"),
      (Array("<!DOCTYPE html><html>".utf8), "web page"), (Array("<html lang=en>".utf8), "web page"),
      (Array("GGUF\u{3}\0\0\0".utf8), "cut short"), ([0x80, 0x02, 0x7d], "pickle"),
      ([0x1f, 0x8b, 8, 0], "gzip"), ([0x89, 0x48, 0x44, 0x46, 0x0d], "HDF5"),
    ] as [([UInt8], String)])
  func namesWhatItFoundInstead(_ bytes: [UInt8], _ word: String) throws {
    let workspace = try Workspace()
    // A safetensors file's ending doesn't hide it.
    let isNoModel = ["empty", "Git LFS", "web page"].contains(word)
    for name in ["model.bin", "x.npz"] + (isNoModel ? ["model.safetensors"] : []) {
      let path = try workspace.write(name, Data(bytes))
      let error = #expect(throws: CheckpointError.self) { try Source(path) }
      #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
      #expect(error?.file == name)
    }
  }

  @Test(arguments: ["bad_lfs_pointer", "bad_html_error_page"])
  func namesTheMistakeInADirectoryToo(_ name: String) throws {
    let workspace = try Workspace()
    try workspace.write(
      "model.safetensors", Data(Fixtures.bytes("bad/safetensors/\(name).safetensors")))
    let error = #expect(throws: CheckpointError.self) { try Source(workspace.path) }
    let word = name.contains("lfs") ? "Git LFS" : "web page"
    #expect(error?.message.contains(word) == true, "\(error?.description ?? "")")
  }
}
