import CheckpointFormats
import FileContainers
import ModelArchitectures
import Quantization
import TensorModel

/// Writes GGUF for llama.cpp: one file, or a split set in a directory.
enum GGUFTarget: ConversionTarget {
  static let format: any CheckpointFormat.Type = GGUFFormat.self
  static let keepsNames = false
  static let partCount: (@Sendable (String, String) -> Int?)? = {
    GGUFSplit.partCount(of: $0, cutFrom: $1)
  }

  static func plan(
    _ planner: Planner
  ) throws(CheckpointError) -> ConversionPlan {
    guard planner.settings.experts == nil else {
      throw CheckpointError(
        .usage, "GGUF has one spelling of experts: stacked, gates and values apart",
        hint: "leave out --experts")
    }
    let graph = try GGUFGraph(planner.source)
    let tokenizer = try GGUFTokenizerKeys(
      planner.source, rows: graph.configuration.dimensions.vocabulary)
    let tensors = try GGUFTensors(planner, graph)
    let header = planner.source.ggufHeader
    var planner = planner
    if header?["general.name"]?.text == nil {
      planner.settings.title = planner.settings.title ?? planner.source.title
    }
    let name = GGUFName(
      header?["general.name"]?.text ?? planner.settings.title ?? "", tokenizer: tokenizer.entries)
    let entries =
      graph.entries(fileType: tensors.fileType, name: name.text)
      + (tensors.importances?.entries ?? [])
      + QuantizationMarks(planner.settings.quantization).entries.map {
        (key: $0.key, value: GGUFValue.text($0.text))
      }
      + tokenizer.entries
    let carried = GGUFCarriedKeys(
      header, besides: entries, isQuantized: planner.settings.quantization != nil)
    let keys = entries + carried.entries
    let sizes = tensors.outputs.map(\.byteCount)
    let shards = try Sharder(sizes).shards(planner.settings.sharding ?? .none)
    guard shards.count <= GGUFSplit.maximumPartCount else {
      throw CheckpointError(
        .usage, "too many files for one set", expected: "at most \(GGUFSplit.maximumPartCount)",
        found: "\(shards.count)", hint: "choose a larger --max-shard-size")
    }
    let isCut = (planner.settings.sharding ?? .none) != ConversionPlan.Sharding.none
    var files: [ConversionPlan.WeightFile] = []
    var planned: [ConversionPlan.OutputGroup] = []
    for (number, members) in shards.enumerated() {
      let metadata =
        (number == 0 ? keys : [])
        + GGUFSplit.entries(number, of: shards.count, tensorCount: sizes.count)
      let layout = try GGUFLayout.layout(
        members.map { (tensors.outputs[$0].name, tensors.outputs[$0].type) }, metadata: metadata)
      files.append(
        ConversionPlan.WeightFile(
          name: isCut
            ? GGUFSplit.fileName(number, of: shards.count, cutFrom: planner.settings.fileName)
            : planner.settings.fileName ?? GGUFSplit.standardName, layout: layout,
          byteCount: layout.byteCount))
      for (member, place) in zip(members, layout.places) {
        let output = tensors.outputs[member]
        planned.append(
          ConversionPlan.OutputGroup(
            .init(
              name: output.name, type: output.type, expression: output.expression, file: number,
              place: place),
            quantization: tensors.quantizations.isEmpty ? nil : tensors.quantizations[member]))
      }
    }
    // What the configuration says is in the keys.
    let left = planner.sidecarNames.filter { !tokenizer.contains($0) && $0 != "config.json" }
    return try planner.plan(
      format: format.name, groups: planned, weightFiles: files, sidecars: [], leftOut: left,
      findings: graph.findings + name.findings + tensors.findings + tokenizer.findings
        + filesLeftOut(left)
        + planner.metadataLeftOut(by: format.name, besides: Set(keys.map(\.key))))
  }

  /// Files that go along to other destinations; of settings it is said which are left out.
  private static func filesLeftOut(_ names: [String]) -> [Finding] {
    let names = names.filter { $0 != GGUFGenerationKeys.fileName }
    guard !names.isEmpty else { return [] }
    return [
      Finding(
        .note, "files-left-out", "a GGUF file has no place for \(names.joined(separator: ", "))")
    ]
  }
}
