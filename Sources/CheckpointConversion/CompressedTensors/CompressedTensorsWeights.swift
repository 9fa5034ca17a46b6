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

  /// A tensor of the model before it has a type of its own.
  private struct Candidate {
    let tensor: CanonicalTensor
    let place: DecoderPlace?
    let choice: TypeChoice
    /// Cast to what it is quantized from.
    let expression: TensorExpression
    let type: TensorType
    /// Itself, where the source has it so.
    let kept: StoredWeight?
    /// Its parts, where the source has them in another way.
    let repacking: Repacking?

    /// Whether a configuration's targets could mean it.
    var mayBeLinear: Bool {
      guard type.shape.rank == 2, tensor.name.hasSuffix(".weight") else { return false }
      return switch place?.role {
      case .weight(_, .outIn), .other, nil: true
      default: false
      }
    }

    /// Whether it holds all experts of a layer.
    var isOfUntouchedExperts: Bool {
      guard case .weight(let projection, _) = place?.role else { return false }
      return projection.isOfExperts && type.shape.rank == 3
    }
  }

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
    var candidates: [Candidate] = []
    for tensor in try model.tensors(in: spelling) {
      let place = places[ExactName(tensor.name)]
      let candidate = try Self.candidate(tensor, place, types, dtypes, planner)
      try Self.requireLinear(candidate, architecture)
      candidates.append(candidate)
    }
    // Weights of one layer have one scale: all are made again where some can't be repacked.
    let repacks = candidates.allSatisfy { candidate in
      candidate.repacking != nil || candidate.kept != nil || candidate.choice.dtype != nil
    }
    let scales = try TensorScales(
      candidates.compactMap { candidate in
        guard !repacks, candidate.kept == nil, case .packed(let format) = candidate.choice.type,
          format.hasTensorScale
        else { return nil }
        return TensorScales.Matrix(
          name: candidate.tensor.name, expression: candidate.expression, type: candidate.type,
          place: candidate.place)
      }, planner)
    for candidate in candidates { append(candidate, scales, repacks: repacks) }
    ignoreHead(architecture)
    findings += try ChoiceFindings(request).findings(
      weights.compactMap { weight in weight.quantization.map { (weight.name, $0) } },
      remedy: { _ in "choose a scheme without groups, such as w4a16-channel" })
    findings += Self.fusionFindings(candidates) + Self.loadingFindings(candidates)
    if let stacked = candidates.first(where: { $0.isOfUntouchedExperts }) {
      findings.append(
        Finding(
          .warning, "experts-unquantized",
          "experts that are one tensor for all of a layer are no linear layers: they stay floats",
          tensor: stacked.tensor.name))
    }
  }

  /// `model.layers.0.mlp.up_proj` of `model.layers.0.mlp.up_proj.weight`.
  static func module(of name: String) -> String {
    name.hasSuffix(".weight") ? String(name.dropLast(7)) : name
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
  ) throws(CheckpointError) -> Candidate {
    let values = dtypes.dtype(of: tensor)
    let isLinear = place.map { CompressedTensorsTypes.isLinear($0.role) } ?? false
    // Scales of F64 are none that kernels take.
    let own: DType = values == .f64 && isLinear ? .f32 : values
    let choice = try types.choice(tensor.name, place?.role, TensorType(own, tensor.shape))
    let dtype = choice.dtype ?? own
    let checkpoint = planner.source.checkpoint
    let expression = try Planner.expression(of: tensor, as: dtype, in: checkpoint)
    var (kept, repacking): (StoredWeight?, Repacking?)
    if case .packed(let format) = choice.type {
      let module = Self.module(of: tensor.name)
      kept = StoredWeight.kept(
        tensor, tensor.shape, format, in: checkpoint, as: planner.settings.dtype,
        ConversionPlan.Quantization(
          choice: choice, values: TensorType(tensor.dtype, tensor.shape)),
        partName: { "\(module).\(format.partName($0))" })
      repacking = Repacking(
        tensor.expression, tensor.shape, format, as: planner.settings.dtype, type: checkpoint.type)
    }
    return Candidate(
      tensor: tensor, place: place, choice: choice, expression: expression,
      type: TensorType(dtype, tensor.shape), kept: kept, repacking: repacking)
  }

  /// A tied head is a layer, too, and transformers has given those of some families another name.
  private mutating func ignoreHead(_ architecture: Architecture) {
    let isQuantized = weights.contains {
      $0.format != nil && $0.name == architecture.row(.weight(.head))?.name
    }
    guard !isQuantized else { return }
    let names = [architecture.row(.weight(.head))?.name, "lm_head.weight"].compactMap { $0 }
    for head in names.map(Self.module(of:)) where !ignored.contains(head) { ignored.append(head) }
  }

  private static func requireLinear(
    _ candidate: Candidate, _ architecture: Architecture
  ) throws(CheckpointError) {
    if case .packed(let format) = candidate.choice.type,
      let projection = candidate.place?.role.projection,
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
          : "choose --scheme fp8, mxfp4a16, or one of integers in 4 bits")
    }
    guard case .weight(let projection, .inOut) = candidate.place?.role, !projection.isOfExperts
    else { return }
    throw CheckpointError(
      .unsupported,
      "the family's layers are Conv1D, whose weights are stored transposed: compressed-tensors quantizes linear layers only",
      tensor: candidate.tensor.name, found: architecture.name,
      hint: "schemes of GGUF and MLX take such models")
  }

  private mutating func append(_ candidate: Candidate, _ scales: TensorScales, repacks: Bool) {
    let (tensor, choice) = (candidate.tensor, candidate.choice)
    let quantization = ConversionPlan.Quantization(
      choice: choice, values: TensorType(tensor.dtype, tensor.shape))
    let module = Self.module(of: tensor.name)
    guard case .packed(var format) = choice.type else {
      if candidate.mayBeLinear { ignored.append(module) }
      weights.append(
        StoredWeight(
          Planner.Output(
            name: tensor.name, type: candidate.type, expression: candidate.expression),
          named: tensor.name, quantization))
      return
    }
    if let kept = candidate.kept {
      weights.append(kept)
      return
    }
    let partName = { (part: PackedFormat.Part) in "\(module).\(format.partName(part))" }
    if let repacking = candidate.repacking, repacks || !format.hasTensorScale {
      weights.append(
        StoredWeight(
          repacking, format, named: tensor.name, quantization, partName: partName))
      return
    }
    if let scale = scales[tensor.name] { format = format.scaled(by: scale) }
    weights.append(
      StoredWeight(
        packing: candidate.expression, candidate.type, format, named: tensor.name, quantization,
        partName: partName))
  }

  /// What transformers doesn't run as it is.
  private static func loadingFindings(_ candidates: [Candidate]) -> [Finding] {
    func first(_ isMeant: (PackedFormat, TensorType) -> Bool) -> String? {
      candidates.first { candidate in
        guard case .packed(let format) = candidate.choice.type else { return false }
        return isMeant(format, candidate.type)
      }?.tensor.name
    }
    var findings: [Finding] = []
    if let name = first({ $0.scales != nil && $1.dtype != .bf16 }) {
      findings.append(
        Finding(
          .warning, "values-bf16",
          "transformers makes BF16 of this format and doesn't run it in a model of another dtype: convert the model to bf16 before",
          tensor: name))
    }
    if let name = first({ format, type in
      format.rowCount > 1 && !(type.shape.dimensions.last ?? 0).isMultiple(of: format.rowCount)
    }) {
      findings.append(
        Finding(
          .warning, "block-margin",
          "transformers takes activations in groups of 128 here, and doesn't run layers of other widths: fp8 has no groups",
          tensor: name))
    }
    return findings
  }

  /// What vLLM makes one layer of has one format.
  private static func fusionFindings(_ candidates: [Candidate]) -> [Finding] {
    var types: [FusedLayer: Set<WeightType>] = [:]
    var first: String?
    for candidate in candidates {
      guard let layer = candidate.place.flatMap(FusedLayer.init) else { continue }
      types[layer, default: []].insert(
        candidate.choice.dtype.map { _ in .dtype(.f32) } ?? candidate.choice.type)
      if types[layer, default: []].count > 1, first == nil { first = candidate.tensor.name }
    }
    guard let first else { return [] }
    return [
      Finding(
        .warning, "fused-layers-differ",
        "queries, keys and values are one layer for vLLM, and so are gate and up, and all experts: it doesn't load what has several types there",
        tensor: first)
    ]
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

  /// What compressed-tensors calls a part of a module.
  func partName(_ part: Part) -> String {
    switch part {
    case .codes: [.i32, .u8].contains(codes) ? "weight_packed" : "weight"
    case .scales: "weight_scale"
    case .shape: "weight_shape"
    case .tensorScale: "weight_global_scale"
    case .biases: "weight_zero_point"
    }
  }
}
