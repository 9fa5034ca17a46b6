import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Mesh-Transformer archives against what the original's own arithmetic gives.
@Suite struct GoldenConversionTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  @Test func knowsAllFixtures() { #expect(MeshFixture.all.count == 3) }

  @Test(arguments: MeshFixture.all)
  func givesTheExactTensorsInF32(fixture: MeshFixture) throws {
    let out = workspace.path("out")
    let outcome = try fixture.convert(to: out, dtype: .f32)
    let expected = try fixture.expected
    let produced = try SafetensorsSample(folder: out)
    #expect(Set(produced.tensors.map(\.name)) == Set(expected.keys))
    for tensor in produced.tensors {
      #expect(tensor.dtype == "F32")
      #expect(tensor.shape == expected[tensor.name]?.shape, "\(tensor.name)")
      #expect(tensor.data.digest == expected[tensor.name]?.sha256_f32le, "\(tensor.name)")
    }
    #expect(outcome.resumedTensorCount == 0)
    #expect(outcome.certificate.tensors.allSatisfy { $0.exactness == .exact })
    #expect(outcome.certificate.tensors.allSatisfy { $0.largestErrorUlp == 0 })

    let source = try Source(out)
    let inspection = try Inspection(source, digests: true, statistics: false, smallResources)
    #expect(source.architectureName == "gptj")
    #expect(inspection.root == outcome.certificate.root)
    for tensor in inspection.tensors {
      #expect(tensor.digest?.hexadecimal == expected[tensor.name]?.sha256_f32le, "\(tensor.name)")
    }
  }

  @Test(arguments: MeshFixture.all)
  func keepMarksAsRoundedWhatTheStoredDTypeCantHold(fixture: MeshFixture) throws {
    let outcome = try fixture.convert(to: workspace.path("kept"))
    let isNarrow = outcome.certificate.tensors.contains { $0.dtype != .f32 }
    if isNarrow { try _ = fixture.convert(to: workspace.path("exact"), dtype: .f32) }
    let exact = try SafetensorsSample(folder: workspace.path(isNarrow ? "exact" : "kept"))
    let kept = try SafetensorsSample(folder: workspace.path("kept"))
    var roundedCount = 0
    for record in outcome.certificate.tensors {
      let data = try #require(kept[record.name]).data
      #expect(record.digest == Digest(of: [UInt8](data)))
      #expect(record.overflowCount == 0)
      let isExact = Self.holds(try #require(exact[record.name]).data, record.dtype)
      #expect(record.exactness == (isExact ? .exact : .rounded), "\(record.name)")
      if isExact {
        #expect(record.largestErrorUlp == 0)
      } else {
        #expect(record.largestErrorUlp > 0 && record.largestErrorUlp <= 0.5, "\(record.name)")
        roundedCount += 1
      }
    }
    let isSummed = outcome.certificate.tensors.contains { $0.expression.contains("sum(") }
    #expect((roundedCount > 0) == (isSummed && outcome.certificate.tensors[0].dtype != .f32))
  }

  /// Whether a dtype has all of these F32 numbers.
  private static func holds(_ data: Data, _ dtype: DType) -> Bool {
    data.withUnsafeBytes { bytes in
      let words = bytes.bindMemory(to: UInt32.self)
      return switch dtype {
      case .bf16: words.allSatisfy { $0 & 0xffff == 0 }
      case .f16:
        // 13 fraction bits fewer, within the normal range; the few smaller ones are looked at one by one.
        words.allSatisfy {
          let exponent = $0 >> 23 & 0xff
          return exponent > 112 && exponent < 143
            ? $0 & 0x1fff == 0
            : CastOracle.round($0, CastOracle.f32, to: CastOracle.f16).isExact
        }
      default: true
      }
    }
  }

  @Test func certificateSaysWhatWasConverted() throws {
    let fixture = try #require(MeshFixture.all.first { $0.name == "s8_trained_slim" })
    let outcome = try fixture.convert(to: workspace.path("out"), dtype: .f16) {
      $0.hashesInputs = true
    }
    let certificate = outcome.certificate
    #expect(certificate.schema == "certificate/v1")
    #expect(certificate.source.format == "mesh-transformer")
    #expect(certificate.source.architecture == "gptj")
    #expect(certificate.format == "safetensors")
    #expect(certificate.inputs.map(\.name) == ["step.tar.zstd"])
    let archive = try Data(contentsOf: URL(filePath: fixture.archive))
    #expect(certificate.inputs.map(\.byteCount) == [archive.count])
    #expect(certificate.inputs.map { $0.digest?.hexadecimal } == [archive.digest])
    let embedding = try #require(
      certificate.tensors.first { $0.name == "transformer.wte.weight" })
    #expect(embedding.expression.hasPrefix("cast(addRow("))
    #expect(embedding.sources.count == 16)
    let written = try workspace.contents("out/weighbridge-certificate.json")
    #expect(try JSONDocument.bytes(certificate) == [UInt8](written))
    let parsed = try JSONDocument.parse(Certificate.self, [UInt8](written), file: "")
    #expect(parsed == certificate)
    #expect(rootDigest(of: parsed.identities) == parsed.root)
    #expect(workspace.names() == ["out"])
  }
}
