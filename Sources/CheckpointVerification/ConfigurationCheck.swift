import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorModel

/// Names and shapes of a known family's tensors against its configuration, as every command checks them.
struct ConfigurationCheck {
  private let source: Source

  init(_ source: Source) { self.source = source }

  /// Records the check.
  ///
  /// - Throws: what reading throws.
  func run(_ report: inout VerificationReport) throws(CheckpointError) {
    let model: ModelContents
    do throws(CheckpointError) { model = try source.model() } catch {
      if error.code.isTransient { throw error }
      if error.check == "base" {
        return report.skip(.configuration, .blocked, "needs tensors of the base: --base")
      }
      // What is wrong is said of the tensors themselves.
      let checks = Set(source.checkpoint.findings.map(\.check))
      if checks.contains("data-missing") {
        return report.skip(.configuration, .blocked, "needs tensors that have data")
      }
      if checks.contains("unreadable-tensor") {
        return report.skip(
          .configuration, .unsupported, "needs tensors that can be read by what they are")
      }
      report.record(
        .configuration, [Finding("model-unusable", error)],
        "the tensors can't be named as a model's")
      return
    }
    if isBareContainer {
      return report.skip(
        .configuration, .absent, "no key of the file says anything of a model")
    }
    var findings = model.findings + model.problems.map { $0.finding() }
    if let error = model.uncomputed {
      findings.append(Finding("setting-uncomputed", error).with(.note))
    }
    if let rowCount = model.sizes?.dimensions.vocabulary {
      findings += try TokenCheck(source, rowCount: rowCount).finding().map { [$0] } ?? []
    }
    guard let family = model.sizes?.architecture.name, let count = model.expectedCount else {
      let (reason, detail) = reason(model)
      report.record(.configuration, findings, detail, reason)
      return
    }
    report.record(
      .configuration, findings,
      "names and shapes of \(counted(count, "tensor")) of the family '\(family)'")
  }

  /// Whether a GGUF file has no settings of its architecture at all, and so isn't meant to be a model.
  private var isBareContainer: Bool {
    guard let header = source.ggufHeader, source.checkpoint.configuration == nil else {
      return false
    }
    let name = header["general.architecture"]?.text
    return !header.metadata.contains { key, _ in name.map { key.hasPrefix("\($0).") } ?? false }
      && !header.metadata.contains { key, _ in key.hasPrefix("tokenizer.") }
  }

  /// Why names and shapes can't be compared with a table.
  private func reason(_ model: ModelContents) -> (VerificationReport.Reason, String) {
    if model.sizes != nil {
      return (.unsupported, "an adapter, not a whole model: its names are another library's")
    }
    guard let bytes = source.checkpoint.configuration else {
      guard let header = source.ggufHeader else {
        return (.absent, "there is no config.json, which would say what belongs to the model")
      }
      let isUnusable = model.problems.contains { $0.check == "configuration-unusable" }
      return isUnusable
        ? (.unsupported, "the file's keys don't say what the model is")
        : (.unsupported, "no table for \(GGUFConfiguration.graphTitle(header))")
    }
    guard let configuration = try? HuggingFaceConfiguration(parsing: bytes) else {
      return (.unsupported, "config.json can't be used")
    }
    guard let family = configuration.architecture else {
      return (.unsupported, "no table for the family '\(configuration.modelType ?? "none named")'")
    }
    return (.unsupported, "the sizes of the family '\(family.name)' can't be read")
  }
}
