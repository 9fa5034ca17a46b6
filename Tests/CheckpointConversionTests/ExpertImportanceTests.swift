import CheckpointFormats
import FileContainers
import Foundation
import ModelArchitectures
import Quantization
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Importances of single experts, where each is a tensor of its own: what each saw counts for it alone.
@Suite struct ExpertImportanceTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// Families whose experts have tensors of their own.
  private static let mixtures = Architectures.all.filter { $0.spellings.contains(.separate) }

  /// An importance matrix in the older form.
  private func matrix(_ entries: [String: [Float]], _ name: String) throws -> ImportanceMatrix {
    func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
    var file = bytes(Int32(entries.count))
    for (name, values) in entries.sorted(by: { $0.key < $1.key }) {
      file += bytes(Int32(name.utf8.count)) + Array(name.utf8)
      file += bytes(Int32(1)) + bytes(Int32(values.count))
      file += values.flatMap { bytes($0.bitPattern) }
    }
    return try ImportanceMatrix(path: workspace.write(name, Data(file)))
  }

  /// The configuration of a small model of a family.
  private static func configuration(_ family: String) throws -> HuggingFaceConfiguration {
    if let later = try? JSONValue(parsing: Fixtures.bytes("later/\(family).json")) {
      return try HuggingFaceConfiguration(
        parsing: Array(#require(later["config"]).documentText.utf8))
    }
    return try HuggingFaceConfiguration(
      parsing: Fixtures.bytes("huggingface/\(family)/config.json"))
  }

  @Test(arguments: mixtures.map(\.name)) func eachExpertHasItsOwn(_ family: String) throws {
    let architecture = try #require(Self.mixtures.first { $0.name == family })
    let dimensions = try Self.configuration(family).dimensions()
    let tensors = architecture.tensors(dimensions, .separate).filter {
      $0.number != nil && $0.row.role.projection?.isOfExperts == true && $0.shape.rank == 2
    }
    #expect(!tensors.isEmpty && dimensions.experts > 1)
    func name(_ tensor: Architecture.Tensor) throws -> String {
      let role = try #require(tensor.row.role.ggufRoles.first)
      return architecture.gguf?.name(of: role, layer: tensor.layer, dimensions)
        ?? role.ggufName(layer: tensor.layer)
    }
    var entries: [String: [Float]] = [:]
    for tensor in tensors {
      let name = try name(tensor)
      #expect(name.hasSuffix("_exps.weight"))
      let columns = tensor.shape.dimensions[1]
      entries[name] = (0..<dimensions.experts * columns).map { Float(1 + $0 + name.utf8.count) }
    }
    let scheme = try #require(QuantizationScheme(named: "w8a16-channel"))
    var request = QuantizationRequest(scheme)
    request.importance = try matrix(entries, "all.dat")
    func method(_ tensor: Architecture.Tensor) throws -> QuantizationMethod {
      try ModelImportances(request, architecture, dimensions, smallResources).method(
        tensor.place, TensorType(.f32, tensor.shape), scheme.type.packedFormat)
    }
    #expect(try method(tensors[0]).importance == nil)
    request.quality = .best
    var seen: Set<[Float]> = []
    for tensor in tensors {
      let values = try #require(method(tensor).importance?.values)
      let columns = tensor.shape.dimensions[1]
      let first = try #require(tensor.number) * columns
      let all = try #require(entries[name(tensor)])
      let own = ColumnImportance(
        origin: "", values: Array(all[first..<first + columns]), columns: columns, .best)
      #expect(values == own.values, "\(tensor.name)")
      seen.insert(values)
    }
    #expect(seen.count >= dimensions.experts)
    // A matrix with another number of experts is of another model.
    request.importance = try matrix(entries.mapValues { Array($0.dropLast()) }, "short.dat")
    #expect(throws: CheckpointError.self) { try method(tensors[0]) }
  }

  /// What one expert saw changes its codes and no other's.
  @Test(arguments: ["mixtral", "mixtral_stacked", "qwen3_moe"])
  func othersAreLeftAlone(_ model: String) throws {
    let source = Fixtures.path("huggingface/\(model)")
    let configuration = try HuggingFaceConfiguration(
      parsing: Fixtures.bytes("huggingface/\(model)/config.json"))
    let dimensions = try configuration.dimensions()
    let scheme = try #require(QuantizationScheme(named: "w4a16-channel"))
    func digests(changing expert: Int?) throws -> [String: Digest?] {
      let name = "blk.0.ffn_up_exps.weight"
      let columns = dimensions.model
      var values = (0..<dimensions.experts * columns).map { Float(1 + $0 % 5) }
      if let expert {
        for column in 0..<columns {
          values[expert * columns + column] = column % 2 == 0 ? 1000 : 0.001
        }
      }
      var request = QuantizationRequest(scheme)
      request.quality = .best
      request.importance = try matrix([name: values], "\(expert ?? -1).dat")
      let outcome = try convert(
        CheckpointConversionTests.request(source, workspace.path("out-\(expert ?? -1)")) {
          $0.settings.quantization = request
        })
      #expect(
        outcome.certificate.findings.contains {
          $0.check == "importance-missing" && $0.severity == .note
        })
      return Dictionary(
        uniqueKeysWithValues: outcome.certificate.tensors.map { ($0.name, $0.digest) })
    }
    let base = try digests(changing: nil)
    let other = try digests(changing: 1)
    let changed = base.keys.filter { base[$0] != other[$0] }.sorted()
    #expect(!changed.isEmpty)
    #expect(changed.allSatisfy { $0.contains("layers.0.") && $0.contains(".experts.1.") })
  }
}
