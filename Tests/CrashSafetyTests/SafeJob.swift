import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import ModelArchitectures
import ModelSigning
import Quantization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Something that the tool does to files, small enough to be cut off everywhere.
struct SafeJob: Sendable, CustomTestStringConvertible {
  /// For messages.
  let name: String
  /// Makes what is there before, in an empty folder.
  let prepare: @Sendable (_ root: String) throws -> Void
  /// Does it in the folder.
  let run: @Sendable (_ root: String, _ manner: Manner) throws(CheckpointError) -> Void
  /// Where unfinished work lies; nil for jobs that leave nothing that could be gone on with.
  let partial: String?
  /// Whether what was there may be gone while unfinished work has all that comes instead: of parts there would be two sets otherwise.
  var makesRoomFirst = false

  /// Which options are given.
  enum Manner { case usual, resuming, replacing }

  var testDescription: String { name }

  /// One thread: the calls come in the same order each time.
  static let resources = EvaluationResources(memory: 64_000_000, threads: 1)

  /// Tells nobody how it goes.
  static let silent = ConversionJob.Observer(
    willStart: { _, _, _ in }, report: { _ in }, progress: { _ in })

  /// A conversion.
  ///
  /// - Parameters:
  ///   - name: for messages.
  ///   - destination: in the folder.
  ///   - source: what is converted.
  ///   - replacing: whether there is something, of another dtype, that gives way.
  ///   - intoFolder: whether there is an empty folder, which is filled.
  ///   - makesRoomFirst: whether what was there goes before the result gets its place.
  ///   - edit: says how.
  /// - Returns: the job.
  static func conversion(
    _ name: String, to destination: String, from source: @escaping @Sendable () throws -> String,
    replacing: Bool = false, intoFolder: Bool = false, makesRoomFirst: Bool = false,
    _ edit: @escaping @Sendable (inout ConversionRequest) -> Void
  ) -> SafeJob {
    @Sendable func request(_ root: String, _ manner: Manner) throws -> ConversionRequest {
      var request = ConversionRequest(
        source: try source(), destination: "\(root)/\(destination)", openOptions: OpenOptions(),
        resources: resources)
      edit(&request)
      request.resume = manner == .resuming
      request.force = replacing || manner == .replacing
      return request
    }
    return SafeJob(
      name: name,
      prepare: { root in
        if intoFolder {
          try FileManager.default.createDirectory(
            atPath: "\(root)/\(destination)", withIntermediateDirectories: false)
        }
        guard replacing else { return }
        var old = try request(root, .usual)
        old.settings.dtype = .f16
        _ = try ConversionJob(old).run(silent)
      },
      run: { (root, manner) throws(CheckpointError) in
        let asked = try made { try request(root, manner) }
        _ = try ConversionJob(asked).run(silent)
      }, partial: intoFolder ? "\(destination)/.\(destination).partial" : ".\(destination).partial",
      makesRoomFirst: makesRoomFirst)
  }

  private static func made<Result>(
    _ body: () throws -> Result
  ) throws(CheckpointError) -> Result {
    do { return try body() } catch {
      throw error as? CheckpointError ?? CheckpointError(.usage, "\(error)")
    }
  }

  // MARK: The jobs

  /// All of them.
  static let all = [
    conversion("shards of safetensors", to: "out", from: { try Samples.plain.get() }) {
      $0.format = "safetensors"
      $0.settings.dtype = .bf16
      $0.settings.sharding = .count(2)
    },
    conversion("one file of safetensors", to: "out.safetensors", from: { try Samples.plain.get() })
    {
      $0.settings.dtype = .bf16
    },
    conversion(
      "an empty folder that is filled", to: "out", from: { try Samples.plain.get() },
      intoFolder: true
    ) {
      $0.format = "safetensors"
      $0.settings.dtype = .bf16
      $0.settings.sharding = .count(2)
    },
    conversion(
      "a folder that is replaced", to: "out", from: { try Samples.plain.get() }, replacing: true
    ) { $0.format = "safetensors" },
    conversion(
      "a file that is replaced", to: "out.safetensors", from: { try Samples.plain.get() },
      replacing: true
    ) { _ in },
    conversion("GGUF", to: "out.gguf", from: { Samples.tokenized }) { _ in },
    conversion(
      "parts of GGUF that are replaced", to: "out.gguf", from: { Samples.tokenized },
      replacing: true, makesRoomFirst: true
    ) { $0.settings.sharding = .maximumByteCount(40_000) },
    conversion("blocks of GGUF", to: "out.gguf", from: { Samples.tokenized }) {
      $0.settings.quantization = QuantizationRequest(.q4_0)
    },
    conversion("Mesh-Transformer", to: "out", from: { try Samples.model.get() }) {
      $0.format = "mesh-transformer"
      $0.settings.sharding = .count(2)
    },
    conversion("npz", to: "out.npz", from: { try Samples.plain.get() }) { _ in },
    conversion("a store", to: "out.store", from: { try Samples.plain.get() }) {
      $0.settings.compression = .zstd(level: 1)
      $0.settings.sharding = .count(2)
    },
    conversion("a store that isn't compressed", to: "out.store", from: { try Samples.plain.get() })
    {
      $0.settings.compression = .uncompressed
      $0.settings.sharding = .count(2)
    },
    inParts("parts of safetensors", to: "out", from: { try Samples.plain.get() }) {
      $0.format = "safetensors"
      $0.settings.dtype = .bf16
      $0.settings.sharding = .count(3)
    },
    inParts("pieces of safetensors", to: "out.safetensors", from: { try Samples.plain.get() }) {
      $0.settings.dtype = .bf16
    },
    inParts("pieces of npz", to: "out.npz", from: { try Samples.plain.get() }) { _ in },
    inParts(
      "parts for an empty folder", to: "out", from: { try Samples.plain.get() }, intoFolder: true
    ) {
      $0.format = "safetensors"
      $0.settings.sharding = .count(2)
    },
    inParts("parts of a store", to: "out.store", from: { try Samples.plain.get() }) {
      $0.settings.sharding = .count(2)
    },
    conversion("a store of differences", to: "out.store", from: { try Samples.forks.get().fork }) {
      $0.openOptions.bases = Samples.base
      $0.settings.sharding = .count(2)
    },
    conversion(
      "a store of differences that is replaced", to: "out.store",
      from: { try Samples.forks.get().fork }, replacing: true
    ) { $0.openOptions.bases = Samples.base },
    conversion("a fork made complete", to: "out", from: { try Samples.difference.get() }) {
      $0.format = "safetensors"
      $0.openOptions.bases = Samples.base
      $0.settings.sharding = .count(2)
    },
    conversion(
      "a trainer's update", to: "weight_v000002", from: { try Samples.forks.get().fork }
    ) {
      $0.format = "weight-delta"
      $0.openOptions.bases = Samples.base
      $0.settings.sharding = .count(2)
    },
    manifest, signature,
  ]

  /// A conversion by two processes, one after the other, and a merge.
  static func inParts(
    _ name: String, to destination: String, from source: @escaping @Sendable () throws -> String,
    intoFolder: Bool = false, _ edit: @escaping @Sendable (inout ConversionRequest) -> Void
  ) -> SafeJob {
    let whole = conversion(name, to: destination, from: source, intoFolder: intoFolder, edit)
    return SafeJob(
      name: name, prepare: whole.prepare,
      run: { (root, manner) throws(CheckpointError) in
        // With the result in its place only what is left of the parts is removed.
        for number in 1...2 where manner != .replacing {
          var request = ConversionRequest(
            source: try made(source), destination: "\(root)/\(destination)",
            openOptions: OpenOptions(), resources: resources)
          edit(&request)
          request.resume = manner == .resuming
          guard let part = PartNumber(number, of: 2) else { continue }
          _ = try ConversionJob(request).run(
            part: .part(part), variables: [:], silent, willWork: { _ in })
        }
        _ = try PartsMerge("\(root)/\(destination)", resources).run()
      }, partial: whole.partial)
  }

  /// A manifest and a list of digests, in the place of others.
  private static let manifest = SafeJob(
    name: "a manifest",
    prepare: { root in
      try FileManager.default.copyItem(atPath: try Samples.plain.get(), toPath: "\(root)/model")
      try writeManifest("\(root)/model")
      try Data("{\"a\": 1}".utf8).write(to: URL(filePath: "\(root)/model/tokenizer.json"))
    },
    run: { (root, _) throws(CheckpointError) in try writeManifest("\(root)/model") }, partial: nil)

  private static func writeManifest(_ model: String) throws(CheckpointError) {
    let source = try Source(model, OpenOptions())
    let files = ManifestFiles(source.place)
    try files.requireReplaceable(withSums: true)
    let manifest = try CheckpointManifest(of: source, resources)
    try files.write(manifest, JSONDocument.bytes(manifest), withSums: true)
  }

  /// A signature.
  private static let signature = SafeJob(
    name: "a signature",
    prepare: { root in
      try FileManager.default.copyItem(atPath: try Samples.plain.get(), toPath: "\(root)/model")
    },
    run: { (root, _) throws(CheckpointError) in
      let signer = try ModelSigner("\(root)/model")
      _ = try signer.sign(
        with: SigningKey(path: Fixtures.path("signing/private/prime256v1.pkcs8.pem")), nil)
    }, partial: nil)
}

/// What the jobs begin with, written once.
enum Samples {
  /// A GPT-J with a tokenizer.
  static let tokenized = Fixtures.path("huggingface/gptj")

  private static let folder = Result { try Workspace() }

  /// Tensors of no architecture that is known, and files beside them.
  static let plain = Result {
    var random = FixedRandom(seed: 5)
    let workspace = try folder.get()
    /// Numbers that bf16 and f16 round.
    func floats(_ count: Int) -> [Float] {
      (0..<count).map { _ in Float.random(in: -4...4, using: &random) }
    }
    let sample = SafetensorsSample([
      SampleTensor("a", [30, 40], floats: floats(1200)),
      SampleTensor("b", [10, 10], floats: floats(100)), SampleTensor("c", [7], floats: floats(7)),
    ])
    try workspace.write("plain/model.safetensors", sample.fileContents)
    try workspace.write("plain/config.json", Data(#"{"dtype": "float32"}"#.utf8))
    try workspace.write("plain/tokenizer.json", Data("{}".utf8))
    return workspace.path("plain")
  }

  /// A base and a fork of it: a tensor that moved, the same, another, and a small one that is stored by itself.
  static let forks = Result {
    var random = FixedRandom(seed: 6)
    let workspace = try folder.get()
    func floats(_ count: Int) -> [Float] {
      (0..<count).map { _ in Float.random(in: 1...4, using: &random) }
    }
    let (moved, same, small) = (floats(2000), floats(1500), floats(7))
    for (name, first) in [("base", moved), ("fork", moved.map { $0.nextUp })] {
      let sample = SafetensorsSample([
        SampleTensor("moved", [50, 40], floats: first),
        SampleTensor("other", [50, 40], floats: floats(2000)),
        SampleTensor("same", [30, 50], floats: same), SampleTensor("small", [7], floats: small),
      ])
      try workspace.write("\(name)/model.safetensors", sample.fileContents)
      try workspace.write("\(name)/config.json", Data(#"{"dtype": "float32"}"#.utf8))
    }
    return (base: workspace.path("base"), fork: workspace.path("fork"))
  }

  /// The base, to be read anew by each run.
  static var base: GivenBases? {
    (try? forks.get()).map { GivenBases([$0.base], SafeJob.resources) }
  }

  /// The fork as a store of differences.
  static let difference = Result {
    let store = try folder.get().path("fork.store")
    var request = ConversionRequest(
      source: try forks.get().fork, destination: store, openOptions: OpenOptions(),
      resources: SafeJob.resources)
    request.openOptions.bases = base
    _ = try ConversionJob(request).run(SafeJob.silent)
    return store
  }

  /// A GPT-J of one layer.
  static let model = Result {
    var random = FixedRandom(seed: 7)
    let workspace = try folder.get()
    let dimensions = Architecture.Dimensions(layers: 1, model: 32, inner: 128, vocabulary: 24)
    let tensors = Architecture.gptj.tensors(dimensions).map { tensor in
      SampleTensor(
        tensor.name, tensor.shape.dimensions,
        floats: (0..<tensor.shape.elementCount).map { _ in
          Float.random(in: -1...1, using: &random)
        })
    }
    try workspace.write("model/model.safetensors", SafetensorsSample(tensors).fileContents)
    try workspace.write(
      "model/config.json",
      Data(
        """
        {"model_type": "gptj", "n_layer": 1, "n_embd": 32, "n_inner": 128, "n_head": 2, \
        "n_positions": 32, "rotary_dim": 4, "vocab_size": 24, "torch_dtype": "float32"}
        """.utf8))
    return workspace.path("model")
  }
}

extension SafeJob {
  /// Whether a file is what it is to be: of signatures what was signed, as no two have the same bytes.
  func isSame(_ name: String, _ found: Data?, _ expected: Data?) -> Bool {
    guard name.hasSuffix(ModelSigner.signatureName), let found, let expected else {
      return found == expected
    }
    return Self.payload(found) == Self.payload(expected) && Self.payload(found) != nil
  }

  private static func payload(_ bundle: Data) -> String? {
    let object = try? JSONSerialization.jsonObject(with: bundle) as? [String: Any]
    return (object?["dsseEnvelope"] as? [String: Any])?["payload"] as? String
  }
}
