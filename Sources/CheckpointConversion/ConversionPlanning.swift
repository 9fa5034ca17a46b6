public import CheckpointFormats
import FileContainers
import Quantization
import TensorEvaluation
public import TensorModel

// What a job is going to do: the plan, without writing anything.
extension ConversionJob {
  /// The plan, without writing anything beside the destination.
  ///
  /// - Throws: what opening and planning throw.
  public func plan() throws(CheckpointError) -> (Source, ConversionPlan) {
    let destination = try destination()
    let source = try differing(
      RestoredTokenizer.added(to: try Source(request.source, request.openOptions)))
    try confirm(destination)
    return (source, try plan(source))
  }

  /// The same for a destination that isn't looked at, because nothing will be written.
  ///
  /// - Throws: what opening and planning throw.
  public func planWithoutDestination() throws(CheckpointError) -> (Source, ConversionPlan) {
    let source = RestoredTokenizer.added(to: try Source(request.source, request.openOptions))
    try request.openOptions.bases?.requireUsed()
    return (source, try plan(source))
  }

  /// The plan as JSON.
  ///
  /// - Throws: never for plans made here.
  public static func document(
    _ plan: ConversionPlan, _ source: Source
  ) throws(CheckpointError) -> [UInt8] {
    var document: [UInt8] = []
    try write(plan, source) { document += $0 }
    return document
  }

  /// Writes the plan as JSON, piece by piece.
  ///
  /// - Parameters:
  ///   - plan: of a conversion.
  ///   - source: what it converts.
  ///   - write: is given the pieces in order.
  /// - Throws: never for plans made here; what `write` throws.
  public static func write(
    _ plan: ConversionPlan, _ source: Source, _ write: ([UInt8]) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    try PlanDocument.write(plan, source, write)
  }

  /// The plan for a source that is open.
  ///
  /// - Parameters:
  ///   - source: with the tokenizer that it gets.
  ///   - keepingSettings: whether settings stay as they are that say what would be done without them.
  /// - Returns: the plan.
  /// - Throws: what planning throws.
  func plan(
    _ source: Source, keepingSettings: Bool = false
  ) throws(CheckpointError) -> ConversionPlan {
    if let error = source.checkpoint.configurationError { throw error }
    let target = try Targets.target(for: request, source)
    guard
      !isSingleFile || Targets.canBeCut(request.destination)
        || request.settings.sharding == nil
    else {
      throw CheckpointError(
        .usage, "one file can't be cut into shards", file: request.destination,
        hint: "name a directory as destination, or leave out --max-shard-size and --shards")
    }
    guard request.settings.compression == nil || target == StoreTarget.self else {
      throw CheckpointError(
        .usage, "--compression is for stores", found: "--to \(target.format.name)",
        hint: "leave it out, or choose --to \(StoreTarget.format.name)")
    }
    let model = try source.model()
    var settings = request.settings
    if !keepingSettings, settings.sharding.map(target.isStandard) == true {
      settings.sharding = nil
    }
    if target == WeightDeltaTarget.self {
      if settings.deltaVersion == nil {
        settings.deltaVersion = try WeightDeltaTarget.version(of: request.destination)
      }
      guard request.validator == nil else {
        throw CheckpointError(
          .usage, "an update can't be run by itself",
          hint: "leave out --validate, and compare it afterwards with compare --forward --base")
      }
    }
    let planner = Planner(source, settings, resources(for: source))
    if try planner.copiesParts() {
      guard target.keepsQuantizedParts else { throw needsDType(model, target) }
      _ = try model.requireCopyable()
    } else {
      try model.requireValues()
      if target.keepsNames && model.keepsLayout {
        _ = try model.requireCopyable()
      } else {
        try model.requireSound()
      }
    }
    if model.attention == .prefix && !target.carriesAttention {
      throw losesAttention(to: target)
    }
    try request.validator?.check(source)
    return try target.plan(planner)
  }

  /// The source, to be written as a difference where a base was given that it isn't read with itself.
  ///
  /// - Parameter source: open.
  /// - Returns: the same, with the base.
  /// - Throws: what opening the base throws; `usage` where there is one and the format has no differences, or none and it has nothing else.
  func differing(_ source: Source) throws(CheckpointError) -> Source {
    let target = try Targets.target(for: request, source)
    _ = try request.settings.baseHint.map(BaseHint.checked)
    let base = try request.openOptions.bases?.target(
      request.openOptions, sharing: target.differences == .always)
    if let base, target.differences == .never {
      let writers = Targets.all.filter { $0.differences != .never }
        .map { "--to \($0.format.name)" }
      throw CheckpointError(
        .usage, "--base names a checkpoint that nothing here is a difference to",
        file: base.source.path, found: "--to \(target.format.name)",
        hint:
          "leave it out, or write the difference to \(base.hint) with \(writers.joined(separator: " or "))"
      )
    }
    if base == nil, target.differences == .always {
      throw CheckpointError(
        .usage, "\(target.format.name) is written as a difference to a base",
        hint: "name the base by --base PATH")
    }
    guard base != nil || request.settings.baseHint == nil else {
      throw CheckpointError(
        .usage, "--base-hint is for differences, and what is written is complete",
        hint: "leave it out")
    }
    if let base, let other = request.openOptions.bases?.unused.first {
      throw CheckpointError(
        .usage, "what is written is a difference to one base, and --base names two", file: other,
        hint: "leave out the wrong one; the first is taken, which is \(base.source.path)")
    }
    guard request.settings.baseHint == nil || target.differences == .optional else {
      throw CheckpointError(
        .usage, "--base-hint is for stores: \(target.format.name) has no name of a base",
        hint: "leave it out")
    }
    try request.openOptions.bases?.requireUsed()
    return base.map { source.differing(from: $0) } ?? source
  }

  /// What may be used; what is read together with a base is compared with its digests in any case, since another base gives other values.
  func resources(for source: Source) -> EvaluationResources {
    var resources = request.resources
    if source.base != nil { resources.checksRecordedDigests = true }
    return resources
  }

  /// The plan for another quantization than that of the request.
  func plan(
    _ source: Source, quantizing quantization: QuantizationRequest
  ) throws(CheckpointError) -> ConversionPlan {
    var request = request
    request.settings.quantization = quantization
    return try ConversionJob(request).plan(source)
  }

  /// In which dtype its values are wanted would be a guess.
  private func needsDType(
    _ model: ModelContents, _ target: any ConversionTarget.Type
  ) -> CheckpointError {
    let copies = Targets.all.filter { $0.keepsQuantizedParts }.map { "--to \($0.format.name)" }
    return CheckpointError(
      .usage,
      "the weights are quantized (\(model.quantized?.method ?? "")), and \(target.format.name) can't keep codes and scales as they are",
      file: request.source, tensor: model.quantized?.example,
      hint:
        "say which dtype their values are to have, such as --dtype bf16; or copy them with \(copies.joined(separator: " or "))"
    )
  }

  /// Nothing in the format, and nothing in the programs that read it, would say that prompts are to be seen as a whole.
  private func losesAttention(to target: any ConversionTarget.Type) -> CheckpointError {
    if request.openOptions.attention == .prefix {
      return CheckpointError(
        .usage,
        "prefix attention, which --attention declares, is nothing that \(target.format.name) can carry",
        hint:
          "leave --attention out, or choose \(Targets.all.filter { $0.carriesAttention }.map { "--to \($0.format.name)" }.joined(separator: " or "))"
      )
    }
    let carriers = Targets.all.filter { $0.carriesAttention }.map { "--to \($0.format.name)" }
    return CheckpointError(
      .usage,
      "the model has prefix attention (its prompt is seen as a whole), which \(target.format.name) can't carry",
      file: request.source,
      hint:
        "keep it with \(carriers.joined(separator: " or ")); or give it up with --attention causal, as the certificate will say, and measure what that costs:",
      hintLines: [
        shellCommand(
          "weighbridge compare --forward --prefix N", request.source, request.destination)
      ])
  }
}
