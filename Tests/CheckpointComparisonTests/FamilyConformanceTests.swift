import CheckpointComparison
import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import ReferenceForward
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import ModelArchitectures

/// What holds for every family of the list: its table, a fixture, its configuration, GGUF and the forward pass say the same.
///
/// A new family has a folder, a line in the list and a fixture; these tests are then about it, too.
@Suite struct FamilyConformanceTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  /// Fixtures with logits, by family.
  private static let fixtures: [String: [String]] = {
    var fixtures: [String: [String]] = [:]
    for name in Fixtures.names(in: "huggingface") where !name.contains(".") {
      guard let family = try? ModelSample(name).configuration["model_type"] as? String else {
        continue
      }
      fixtures[family, default: []].append(name)
    }
    return fixtures
  }()

  @Test(arguments: Architectures.all.map(\.name))
  func everyFamilyHasAFixtureAndAName(_ family: String) {
    #expect(Self.fixtures[family]?.isEmpty == false, "a folder below fixtures/huggingface")
    #expect(Architectures.all.count { $0.name == family } == 1)
    #expect(Architectures.named(family)?.name == family, "its line in the list says another name")
  }

  @Test(arguments: Architectures.all.flatMap { fixtures[$0.name] ?? [] })
  func tableConfigurationGGUFAndForwardPassAgree(_ name: String) throws {
    try check(ModelSample(name), "huggingface/\(name)")
  }

  /// CONTRIBUTING: an architecture is a folder with a table, and one line.
  @Test func aFamilyIsATableAndALine() throws {
    let moonbeam = Architecture.moonbeam
    var sample = try ModelSample("llama")
    for index in sample.tensors.tensors.indices {
      let name = sample.tensors.tensors[index].name
      sample.tensors.tensors[index].name = Self.renamed(name)
    }
    sample.configuration["model_type"] = moonbeam.name
    sample.configuration["architectures"] = [moonbeam.modelClass]
    sample.configuration["width"] = sample.configuration.removeValue(forKey: "hidden_size")
    // Without the line nothing is known of it but names.
    let path = try sample.write(workspace, "stranger")
    #expect(try Source(path).model().sizes == nil)
    try Architectures.adding([moonbeam]) { try check(sample, "huggingface/llama") }
  }

  /// The documentation's table of families says of each which commands there are.
  @Test func theDocumentationListsEveryFamily() throws {
    let page = Fixtures.packageRoot.appending(path: "docs/reference/families.md")
    let text = try String(decoding: Data(contentsOf: page), as: UTF8.self)
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("|") }
    for architecture in Architectures.all {
      let row = try #require(
        rows.first { $0.contains("`\(architecture.name)`") }, "\(architecture.name)")
      #expect(row.contains("no graph there") == (architecture.gguf == nil), "\(row)")
      #expect(row.hasSuffix("| yes |") == (architecture.mesh != nil), "\(row)")
    }
  }

  fileprivate static func renamed(_ name: String) -> String {
    name.replacing("model.layers.", with: "body.block.").replacing("self_attn.", with: "look.")
      .replacing("model.", with: "body.")
  }

  /// Everything that is said of a family, tried on a model.
  ///
  /// - Parameters:
  ///   - sample: the model.
  ///   - folder: where its tokens and logits are, below `fixtures`.
  /// - Throws: what reading the model throws, or `#require` where it has no family.
  private func check(_ sample: ModelSample, _ folder: String) throws {
    let path = try sample.write(workspace, "model")
    let source = try Source(path)
    let bytes = try #require(try source.huggingFaceConfiguration())
    let configuration = try HuggingFaceConfiguration(parsing: bytes)
    let architecture = try #require(configuration.architecture)

    // The table against the fixture.
    let model = try source.model()
    let count = model.tensors.count { !architecture.setsAside($0.name) }
    #expect(model.problems.isEmpty && model.expectedCount == count)
    #expect(!model.findings.contains { $0.severity > .note })
    let report = try Verifier(path, OpenOptions(), resources).run(against: nil)
    #expect(!report.hasFindings(.warning))
    #expect(report.checks.contains { $0.name == .configuration && $0.status == .passed })

    // Both readings of the configuration.
    let decoder = try DecoderConfiguration(configuration)
    #expect(try configuration.dimensions() == decoder.dimensions)
    try checkDefaults(architecture)

    // The forward pass.
    let tokens = try ArrayFile(Fixtures.path("\(folder)/tokens.npy")).integers
    let reference = try ArrayFile(Fixtures.path("\(folder)/logits.npy")).floats
    let logits = try self.logits(source, tokens)
    let distance = zip(logits, reference).map { abs($0 - $1) }.max() ?? .infinity
    #expect(logits.count == reference.count && distance < 2e-5, "\(distance)")

    try checkGGUF(source, architecture, decoder, logits: logits, tokens)
  }

  /// A configuration that says nothing is the class's, and one that writes its defaults out says the same.
  private func checkDefaults(_ architecture: Architecture) throws {
    let empty = "{\"model_type\": \"\(architecture.name)\"}"
    let standard = try HuggingFaceConfiguration(parsing: Array(empty.utf8))
    let written = architecture.settings.defaults.filter { $0.value != .null }.sorted {
      $0.key < $1.key
    }
    let members = written.map { "\"\($0.key)\": \($0.value.documentText)" }
    let text = "{\"model_type\": \"\(architecture.name)\", \(members.joined(separator: ", "))}"
    let spelled = try HuggingFaceConfiguration(parsing: Array(text.utf8))
    #expect(try standard.dimensions() == spelled.dimensions())
    #expect(try DecoderConfiguration(standard) == DecoderConfiguration(spelled))
    #expect(spelled.findings.isEmpty)
  }

  private func logits(_ source: Source, _ tokens: [Int]) throws -> [Float] {
    let decoder = try Decoder(source, resources)
    let state = try decoder.run([tokens], Sequences([tokens.count]))
    let buffer = FloatBuffer()
    try decoder.logits(state, 0..<tokens.count, into: buffer)
    let count = tokens.count * decoder.configuration.dimensions.vocabulary
    return Array(UnsafeBufferPointer(start: buffer.base, count: count))
  }

  /// Every key that says how many of something tensors have is compared with them.
  private func checkCounts(_ file: String, _ decoder: DecoderConfiguration) throws {
    let graph = try #require(
      Source(workspace.path(file)).checkpoint.metadata["general.architecture"])
    let keys = [
      "vocab_size", "embedding_length", "block_count", "attention.head_count",
      "attention.head_count_kv", "attention.key_length", "attention.value_length", "expert_count",
      // Only layers without experts have this width.
      decoder.experts != nil && decoder.dimensions.expertInner != decoder.dimensions.inner
        ? "expert_feed_forward_length" : "feed_forward_length",
    ]
    let contents = try workspace.contents(file)
    for key in keys.map({ "\(graph).\($0)" }) {
      guard let name = contents.range(of: Data(key.utf8) + [4, 0, 0, 0]) else { continue }
      var changed = contents
      changed[name.upperBound] += 1
      try workspace.write("changed.gguf", changed)
      let problems = try? Source(workspace.path("changed.gguf")).model().problems
      #expect(problems?.isEmpty != true, "\(key)")
      guard key.hasSuffix("vocab_size") else { continue }
      #expect(problems?.map(\.check) == ["tensor-shape"])
      #expect(problems?.first?.error.tensor == "token_embd.weight")
    }
    #expect(contents.range(of: Data("\(graph).vocab_size".utf8)) != nil)
  }

  /// To GGUF and back: the same tensors, configuration and logits; or a refusal that names the reason.
  private func checkGGUF(
    _ source: Source, _ architecture: Architecture, _ decoder: DecoderConfiguration,
    logits: [Float], _ tokens: [Int]
  ) throws {
    do {
      try convert(source.path, workspace.path("x.gguf"), to: "gguf") {
        $0.openOptions.assetsDirectory = Fixtures.path("gguf/tokenizer")
      }
    } catch let error as CheckpointError {
      #expect(error.code == .unsupported && error.hint != nil, "\(error)")
      return
    }
    #expect(architecture.gguf != nil)
    let file = try Source(workspace.path("x.gguf"))
    #expect(try file.model().problems.isEmpty)
    #expect(try self.logits(file, tokens) == logits)
    try checkCounts("x.gguf", decoder)
    // Of models with other parts the file has the language model alone.
    guard architecture.nested == nil else { return }
    let returned = try #require(try file.huggingFaceConfiguration())
    let original = try #require(try source.huggingFaceConfiguration())
    #expect(
      try HuggingFaceConfiguration(parsing: returned).document.isEqual(
        to: HuggingFaceConfiguration(parsing: original).document))
    let comparison = try CheckpointComparison(file, source, resources)
    #expect(comparison.differences.allSatisfy { $0.relation == .equalAfterWidening })
  }
}

extension JSONValue {
  /// Whether two documents say the same, wherever their values lie in their texts.
  fileprivate func isEqual(to other: JSONValue) -> Bool { documentText == other.documentText }
}

extension Architecture {
  /// A family made for these tests: Llama's layers under other names, with a setting of another name.
  fileprivate static let moonbeam = Architecture(
    name: "moonbeam", modelClass: "MoonbeamForCausalLM",
    rows: llama.rows.map { row in
      .weight(
        FamilyConformanceTests.renamed(row.name), row.shape, row.role, if: row.condition)
    },
    settings: ClassSettings(
      llama.settings.defaults, aliases: ["width": "hidden_size"]),
    sizes: { (settings: inout SettingsReader) throws(CheckpointError) -> Dimensions in
      try llama.sizes(&settings)
    },
    decoder: {
      (settings: inout SettingsReader, dimensions: Dimensions) throws(CheckpointError)
        -> DecoderConfiguration in try llama.decoder(&settings, dimensions)
    },
    meshTable: { nil }, ggufTable: { nil })
}
