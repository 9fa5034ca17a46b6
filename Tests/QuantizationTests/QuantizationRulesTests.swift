import Foundation
import ModelArchitectures
import Quantization
import TensorModel
import TestSupport
import Testing

/// The types that llama-quantize gives to small models; `scripts/goldens/quantization-types` wrote them.
struct LlamaQuantizeTypes: Decodable {
  struct Model: Decodable, CustomStringConvertible {
    var architecture: String
    var layers, width, feedForward, heads, kvHeads, vocabulary: Int
    var tied, fused: Bool
    var experts: Int?

    var description: String {
      "\(architecture) \(layers) layers, \(width) and \(feedForward) wide, \(heads)/\(kvHeads) heads\(tied ? ", tied" : "")"
    }

    /// Columns of a weight by its name.
    func columns(of name: String) -> Int { name.contains("ffn_down") ? feedForward : width }
  }

  struct File: Decodable {
    var scheme: String
    var imatrix: [Bool]
    var fileType: Int?
    /// By name, `*` standing for all layers: `q6_K*2 q4_K`; nil where it stops with an error.
    var types: [String: String]?
  }

  struct Entry: Decodable {
    var model: Model
    var files: [File]
  }

  var models: [Entry]

  static func read() throws -> LlamaQuantizeTypes {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(
      LlamaQuantizeTypes.self,
      from: Data(try Fixtures.bytes("quantization/llama-quantize-types.json")))
  }
}

@Suite struct QuantizationRulesTests {
  /// What tensors of these names do.
  private static func roles(_ table: GGUFTable) -> [String: DecoderRole] {
    let dimensions = Architecture.Dimensions(layers: 1, model: 1, inner: 1, vocabulary: 1)
    var roles = [
      "token_embd.weight": DecoderRole.tokenEmbedding, "position_embd.weight": .positionEmbedding,
    ]
    for projection in DecoderRole.Projection.allCases where projection.parts == [projection] {
      for role in [DecoderRole.weight(projection), .bias(projection)] {
        roles[table.name(of: role, layer: nil, dimensions)] = role
      }
    }
    return roles
  }

  @Test func typesAreThoseOfLlamaQuantize() throws {
    let importance = try ImportanceMatrix(path: Fixtures.path("quantization/imatrix/imatrix.gguf"))
    var compared = 0
    for entry in try LlamaQuantizeTypes.read().models {
      let model = entry.model
      let table = try #require(
        Architectures.all.compactMap(\.gguf).first {
          $0.architecture == model.architecture
            && $0.requiredKeys.isEmpty == (model.architecture != "llama" || model.experts == nil)
        })
      let roles = Self.roles(table)
      for file in entry.files {
        guard let types = file.types else { continue }
        let scheme = try #require(QuantizationScheme(named: file.scheme))
        #expect(scheme.fileType == file.fileType, "\(scheme)")
        for hasImportance in file.imatrix {
          var request = QuantizationRequest(scheme)
          if hasImportance { request.importance = importance }
          let rules = QuantizationRules(
            request,
            QuantizationRules.Model(
              table, layers: model.layers,
              queriesPerKey: model.heads / model.kvHeads, hasHead: types["output.weight"] != nil,
              experts: model.experts ?? 0))
          for (pattern, runs) in types {
            let bare = pattern.replacing("blk.*.", with: "")
            guard let role = roles[bare] else {
              Issue.record("no role for \(pattern)")
              continue
            }
            let expanded = Self.expanded(runs, pattern == bare ? 1 : model.layers)
            for (layer, expected) in expanded.enumerated() {
              let choice = try rules.choice(
                pattern.replacing("*", with: "\(layer)"), role,
                layer: pattern == bare ? nil : layer, [8, model.columns(of: pattern)])
              #expect(
                choice.type.name == expected.uppercased(),
                "\(model), \(scheme), importances \(hasImportance): \(pattern), layer \(layer)")
              compared += 1
            }
          }
        }
      }
    }
    #expect(compared > 10_000)
  }

  private static func expanded(_ runs: String, _ count: Int) -> [String] {
    runs.split(separator: " ").flatMap { run in
      let parts = run.split(separator: "*")
      let repeated = parts.count == 2 ? Int(parts[1]) ?? 0 : runs.contains(" ") ? 1 : count
      return Array(repeating: String(parts[0]), count: repeated)
    }
  }
}
