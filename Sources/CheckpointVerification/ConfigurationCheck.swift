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
      let expected = architecture.tensors(try configuration.dimensions())
      report.record(
        .configuration, findings(expected.map { ($0.name, $0.shape) }),
        "names and shapes of \(expected.count) tensors of the family '\(architecture.name)'")
    } catch {
      report.record(
        .configuration, [Finding("configuration", error.in(file: "config.json"))],
        "config.json can't be used")
    }
  }

  private func findings(_ expected: [(name: String, shape: Shape)]) -> [Finding] {
    var findings: [Finding] = []
    for (name, shape) in expected {
      guard let type = source.checkpoint.type(of: name) else {
        findings.append(
          Finding(.error, "configuration", "missing: the configuration asks for it", tensor: name))
        continue
      }
      if type.shape != shape {
        findings.append(
          Finding(
            .error, "configuration",
            "wrong shape, the configuration asks for \(shape), found \(type.shape)", tensor: name))
      }
    }
    let names = Set(expected.map { ExactName($0.name) })
    // Buffers, and heads that are stored twice, are spoken of elsewhere.
    let weights = model.map { Set($0.tensors.flatMap(\.expression.sources).map { ExactName($0) }) }
    for tensor in source.checkpoint.tensors
    where !names.contains(ExactName(tensor.name))
      && weights?.contains(ExactName(tensor.name)) != false
    {
      findings.append(
        Finding(
          .warning, "configuration", "the family has no such tensor", file: tensor.file,
          tensor: tensor.name))
    }
    return findings
  }
}
