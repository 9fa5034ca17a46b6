import ModelArchitectures
import TensorModel
import TestSupport
import Testing

@Suite struct HuggingFaceConfigurationTests {
  private func configuration(
    _ changes: [String: String] = [:]
  ) throws -> HuggingFaceConfiguration {
    var members = [
      "model_type": "\"gptj\"", "n_embd": "64", "n_layer": "2", "vocab_size": "400",
    ]
    members.merge(changes) { $1 }
    let text = members.map { "\"\($0)\": \($1)" }.joined(separator: ", ")
    return try HuggingFaceConfiguration(parsing: Array("{\(text)}".utf8))
  }

  @Test func knowsTheSizesOfAKnownFamily() throws {
    let plain = try configuration()
    #expect(plain.architecture?.name == "gptj")
    #expect(
      try plain.dimensions()
        == Architecture.Dimensions(
          layers: 2, model: 64, inner: 256, vocabulary: 400))
    #expect(try configuration(["n_inner": "null"]).dimensions().inner == 256)
    #expect(try configuration(["n_inner": "100"]).dimensions().inner == 100)
    #expect(try configuration(["model_type": "\"bert\""]).architecture == nil)
  }

  /// Shapes are products of these numbers, and tables have rows for every layer.
  @Test(arguments: [
    ("n_embd", "2147483647"), ("n_embd", "1048576"), ("n_layer", "100000000"),
    ("n_layer", "4096"), ("n_layer", "0"), ("vocab_size", "2147483648"),
    ("n_inner", "-1"),
    ("n_embd", "64.0"), ("n_embd", "\"64\""),
  ])
  func refusesNumbersThatNoModelHas(_ key: String, _ value: String) throws {
    let error = #expect(throws: CheckpointError.self) {
      try configuration([key: value]).dimensions()
    }
    #expect(error?.code == .usage && error?.message.contains(key) == true)
  }

  @Test(arguments: Fixtures.cases("bad/configuration"))
  func brokenOnesGetTheirVerdict(_ file: Fixtures.Case) throws {
    let configuration = try HuggingFaceConfiguration(parsing: Fixtures.bytes(file.name))
    if file.verdict == "accept" {
      let decoder = try DecoderConfiguration(configuration)
      _ = configuration.architecture?.tensors(decoder.dimensions)
    } else {
      #expect(throws: CheckpointError.self) { try DecoderConfiguration(configuration) }
    }
  }

  @Test(arguments: [("layers", 4096), ("d_model", 1 << 20), ("n_heads", 1 << 16)])
  func refusesThemOfMeshTransformerToo(_ key: String, _ value: Int) throws {
    func configuration(_ key: String, _ value: Int) throws -> MeshConfiguration {
      var sizes = ["layers": 2, "d_model": 1 << 16, "n_heads": 16, "n_vocab": 50400, "seq": 2048]
      sizes[key] = value
      let text = sizes.map { "\"\($0)\": \($1)" }.joined(separator: ", ")
      return try MeshConfiguration(parsing: Array("{\(text)}".utf8))
    }
    _ = try configuration(key, value / 2)
    let error = #expect(throws: CheckpointError.self) { try configuration(key, value) }
    #expect(error?.code == .usage && error?.found?.contains("\(value)") == true)
  }

  @Test func makesShapesOfTheLargestSizesThatItTakes() throws {
    let most = try configuration([
      "n_embd": "1048560", "vocab_size": "2147483647", "n_layer": "4095",
    ])
    #expect(Architecture.gptj.tensors(try most.dimensions()).count == 40955)
  }

  @Test(arguments: ["[]", "1", "{", "{\"a\": 1, \"a\": 2}", ""])
  func refusesWhatIsNoObject(_ text: String) {
    #expect(throws: CheckpointError.self) {
      try HuggingFaceConfiguration(parsing: Array(text.utf8))
    }
  }

  @Test func changesTheDtypeAndNothingElse() throws {
    let text = "{ \"torch_dtype\":\"float32\" ,\n\"x\": {\"dtype\": \"float32\"}, \"dtype\": null}"
    let changed = try HuggingFaceConfiguration(parsing: Array(text.utf8)).settingDType("bfloat16")
    #expect(
      String(decoding: changed, as: UTF8.self)
        == "{ \"torch_dtype\":\"bfloat16\" ,\n\"x\": {\"dtype\": \"float32\"}, \"dtype\": null}")
  }

  @Test func listsTensorsInTheOrderOfTheStateDictionary() {
    let tensors = Architecture.gptj.tensors(
      Architecture.Dimensions(layers: 11, model: 4, inner: 16, vocabulary: 6))
    #expect(tensors.count == 5 + 11 * 10)
    #expect(tensors[0].name == "transformer.wte.weight" && tensors[0].shape == [6, 4])
    #expect(tensors[11].name == "transformer.h.1.ln_1.weight")
    #expect(tensors[21].name == "transformer.h.2.ln_1.weight")
    #expect(tensors.last?.name == "lm_head.bias")
    #expect(Set(tensors.map(\.name)).count == tensors.count)
  }
}
