import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorModel

/// Names and shapes of a known family's tensors against its configuration.
struct ConfigurationCheck {
  private let source: Source
  private let model: ModelContents?

  init(_ source: Source, _ model: ModelContents?) {
    self.source = source
    self.model = model
  }

  func run(_ report: inout VerificationReport) {
    guard let bytes = source.checkpoint.configuration else {
      report.skip(.configuration, "there is no config.json")
      return
    }
    guard source.checkpoint.format != MeshTransformerFormat.name else {
      report.skip(.configuration, "opening has compared it with the shapes")
      return
    }
    do throws(CheckpointError) {
      let configuration = try HuggingFaceConfiguration(parsing: bytes)
      guard let architecture = configuration.architecture else {
        report.skip(
          .configuration,
          "no table for the family '\(configuration.modelType ?? "none named")'")
        return
      }
      let dimensions = try configuration.dimensions()
      let expected = architecture.tensors(dimensions)
      guard let tensors = model?.tensors else {
        report.skip(.configuration, "the tensors can't be named as the family's")
        return
      }
      let transposed = architecture.transposedTensors(
        tensors.map { ($0.name, $0.shape) }, dimensions)
      report.record(
        .configuration,
        findings(
          tensors, expected.map { ($0.name, $0.shape) }, optional: architecture.rows.map(\.name),
          transposed: transposed.map(\.name)),
        "names and shapes of \(expected.count) tensors of the family '\(architecture.name)'")
    } catch {
      report.record(
        .configuration, [Finding("configuration", error.in(file: "config.json"))],
        "config.json can't be used")
    }
  }

  private func findings(
    _ tensors: [CanonicalTensor], _ expected: [(name: String, shape: Shape)],
    optional: [String], transposed: [String]
  ) -> [Finding] {
    var findings: [Finding] = []
    func fullName(_ tensor: CanonicalTensor) -> ExactName {
      model?.fullName(of: tensor.name) ?? ExactName(tensor.name)
    }
    let found = Dictionary(
      tensors.map { (fullName($0), $0.shape) }, uniquingKeysWith: { first, _ in first })
    for (name, shape) in expected {
      guard let actual = found[ExactName(name)] else {
        findings.append(
          Finding(.error, "configuration", "missing: the configuration asks for it", tensor: name))
        continue
      }
      if actual != shape {
        let reason =
          transposed.contains(name)
          ? "; it is transposed, the values look like those of another framework's format" : ""
        findings.append(
          Finding(
            .error, "configuration",
            "wrong shape, the configuration asks for \(shape), found \(actual)\(reason)",
            tensor: name))
      }
    }
    // A head that is stored although it is tied is spoken of where ties are.
    let names = Set((expected.map(\.name) + optional).map { ExactName($0) })
    for tensor in tensors where !names.contains(fullName(tensor)) {
      let stored = tensor.expression.sources.first.flatMap(source.checkpoint.position)
      findings.append(
        Finding(
          .warning, "configuration", "the family has no such tensor",
          file: stored.map { source.checkpoint.tensors[$0].file }, tensor: tensor.name))
    }
    return findings
  }
}
