import CheckpointFormats
import ModelArchitectures
import Quantization
import TensorModel

/// The weights of a model as compressed-tensors has them.
struct CompressedTensorsWeights {
  /// In canonical order, under the family's names.
  private(set) var weights: [StoredWeight] = []
  /// Linear layers that aren't quantized, and others that may be such.
  private(set) var ignored: [String] = []
  /// What a person should know.
  private(set) var findings: [Finding] = []

  /// Takes all tensors of a model of a known family.
  ///
  /// - Throws: `unsupported` for families of which linear layers aren't known or aren't what compressed-tensors quantizes, for substituted types where
  ///   that is forbidden, and what reading throws where tensors have scales of their own.
  init(_ planner: Planner, _ request: QuantizationRequest) throws(CheckpointError) {
    let model = try planner.source.model()
    guard let (architecture, dimensions) = model.sizes else {
      throw CheckpointError(
        .unsupported,
        "of this family it isn't known which tensors are weights of linear layers",
        file: planner.source.path, found: planner.source.architectureName ?? "no model_type",
        hint: "pass the model's config.json with --config; --to store keeps any model as it is")
    }
    try model.requireSound()
    let spelling = try Self.spelling(planner, architecture, model)
    let places = Self.places(model, architecture.tensors(dimensions, spelling))
    let types = CompressedTensorsTypes(request)
    let dtypes = try ValueDTypes(planner)
    let importances = try ModelImportances(
      request, architecture, dimensions, planner.resources)
    var candidates: [CompressedTensorsCandidate] = []
    for tensor in try model.tensors(in: spelling) {
      let place = places[ExactName(tensor.name)]
      let candidate = try Self.candidate(tensor, place, types, dtypes, planner)
      try Self.requireLinear(candidate, architecture)
      candidates.append(candidate)
    }
    // Weights of one layer have one scale: all are made again where some have to be.
    let scaled = candidates.filter { $0.format?.hasTensorScale == true }
    var methods: [QuantizationMethod] = []
    for candidate in scaled {
      methods.append(
        try importances.method(candidate.place, candidate.type, candidate.format))
    }
    let scales =
      scaled.allSatisfy { $0.reused != nil } ? nil : try TensorScales(scaled, planner, methods)
    for candidate in candidates {
      append(
        candidate, scales,
        try importances.method(candidate.place, candidate.type, candidate.format))
    }
    findings += try importances.findings(weights)
    ignoreHead(architecture)
    findings += try ChoiceFindings(request).findings(
      weights.compactMap { weight in weight.quantization.map { (weight.name, $0) } },
      remedy: { _ in "choose a scheme without groups, such as w4a16-channel" })
    findings +=
      CompressedTensorsFindings(
        candidates: candidates, checkpoint: planner.source.checkpoint
      ).all
  }

  /// Experts are linear layers where each has tensors of its own.
  private static func spelling(
    _ planner: Planner, _ architecture: Architecture, _ model: ModelContents
  ) throws(CheckpointError) -> Architecture.ExpertSpelling? {
    if let asked = planner.settings.experts, asked != .separate {
      throw CheckpointError(
        .usage, "compressed-tensors quantizes experts that have tensors of their own",
        found: "--experts \(asked.rawValue)", hint: "leave out --experts")
    }
    if architecture.spellings.contains(.separate) { return .separate }
    return model.spelling == .mxfp4 ? .stacked : model.spelling
  }

  private static func places(
    _ model: ModelContents, _ expected: [Architecture.Tensor]
  ) -> [ExactName: DecoderPlace] {
    var places: [ExactName: DecoderPlace] = [:]
    for tensor in expected { places[ExactName(tensor.name)] = tensor.place }
    for (place, tensor) in model.placed { places[ExactName(tensor.name)] = place }
    return places
  }

  private static func candidate(
    _ tensor: CanonicalTensor, _ place: DecoderPlace?, _ types: CompressedTensorsTypes,
    _ dtypes: ValueDTypes, _ planner: Planner
  ) throws(CheckpointError) -> CompressedTensorsCandidate {
    let values = dtypes.dtype(of: tensor)
    let isLinear = place.map { CompressedTensorsTypes.isLinear($0.role) } ?? false
    // Scales of F64 are none that kernels take.
    let own: DType = values == .f64 && isLinear ? .f32 : values
    let choice = try types.choice(tensor.name, place?.role, TensorType(own, tensor.shape))
    let dtype = choice.dtype ?? own
    let checkpoint = planner.source.checkpoint
    let expression = try Planner.expression(of: tensor, as: dtype, in: checkpoint)
    let quantization = ConversionPlan.Quantization(
      choice: choice, values: TensorType(tensor.dtype, tensor.shape),
      fused: place.flatMap(FusedLayer.init))
    var candidate = CompressedTensorsCandidate(
      tensor: tensor, place: place, quantization: quantization, expression: expression,
      type: TensorType(dtype, tensor.shape))
    if let format = candidate.format {
      candidate.reused = try StoredWeight.reused(
        tensor.expression, format, named: tensor.name, quantization, from: planner,
        partName: { [candidate] in candidate.name(of: $0, format) })
    }
    return candidate
  }

  /// A tied head is a layer, too, and transformers has given those of some families another name.
  private mutating func ignoreHead(_ architecture: Architecture) {
    let isQuantized = weights.contains {
      $0.format != nil && $0.name == architecture.row(.weight(.head))?.name
    }
    guard !isQuantized else { return }
    let names = [architecture.row(.weight(.head))?.name, "lm_head.weight"].compactMap { $0 }
    for head in names.map(StoredWeight.module(of:)) where !ignored.contains(head) {
      ignored.append(head)
    }
  }

  private static func requireLinear(
    _ candidate: CompressedTensorsCandidate, _ architecture: Architecture
  ) throws(CheckpointError) {
    if let format = candidate.format, let projection = candidate.place?.role.projection,
      projection == .router || projection.isOfExperts && !format.isLoadedForExperts
    {
      throw CheckpointError(
        .unsupported,
        projection == .router
          ? "what chooses experts can't be quantized: transformers and vLLM don't load it"
          : "transformers doesn't load experts in this format, or takes them for other numbers",
        tensor: candidate.tensor.name, found: format.name,
        hint: projection == .router
          ? "let the pattern of --tensor-type not fit it"
          : "choose --scheme fp8, mxfp4a16, or one of w4a16 and w8a16")
    }
    if let format = candidate.format, format.partName(.codes) != "weight",
      let name = architecture.linearClass
    {
      throw CheckpointError(
        .unsupported,
        "transformers doesn't run the family's layers in this format: \(name) reads 'weight', and the codes are in '\(format.partName(.codes))'",
        tensor: candidate.tensor.name, found: format.name,
        hint: "choose --scheme fp8, fp8-block, mxfp8a16 or w8a8")
    }
    guard case .weight(let projection, .inOut) = candidate.place?.role, !projection.isOfExperts
    else { return }
    throw CheckpointError(
      .unsupported,
      "the family's layers are Conv1D, whose weights are stored transposed: compressed-tensors quantizes linear layers only",
      tensor: candidate.tensor.name, found: architecture.name,
      hint: "schemes of GGUF and MLX take such models")
  }

  private mutating func append(
    _ candidate: CompressedTensorsCandidate, _ scales: TensorScales?, _ method: QuantizationMethod
  ) {
    let (name, quantization) = (candidate.tensor.name, candidate.quantization)
    guard let format = candidate.format else {
      if candidate.mayBeLinear { ignored.append(StoredWeight.module(of: name)) }
      weights.append(
        StoredWeight(
          Planner.Output(name: name, type: candidate.type, expression: candidate.expression),
          named: name, quantization))
      return
    }
    let scale = scales?[name]
    if let reused = candidate.reused, scale == nil {
      weights.append(reused)
      return
    }
    weights.append(
      StoredWeight(
        packing: candidate.expression, candidate.type,
        scale.map { format.scaled(by: $0) } ?? format, named: name, quantization, method
      ) { candidate.name(of: $0, format) })
  }
}

extension PackedFormat {
  /// Whether transformers 5.23 makes the right experts of it: their values come out of a conversion of its own.
  fileprivate var isLoadedForExperts: Bool {
    switch coding {
    case .symmetric: codes == .i32
    case .fp8: rowCount == 1
    case .mxfp4: true
    case .affine, .nvfp4, .mxfp8: false
    }
  }
}
