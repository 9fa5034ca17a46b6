// What GGUF files call tensors, and which they have for a family's rows (gguf-py's constants.py).

extension Architecture.Tensor {
  /// Whether GGUF files have it with others of its layer in one tensor, or taken apart.
  public var isStackedInGGUF: Bool {
    number != nil || row.role.projection?.isOfExperts ?? false
  }
}

extension DecoderRole {
  /// The name that a tensor of this role has in GGUF files (gguf-py's constants.py).
  ///
  /// - Parameters:
  ///   - layer: nil for what belongs to none.
  ///   - normNames: of norms that have others than in most graphs.
  /// - Returns: such as `blk.0.attn_q.weight`.
  public func ggufName(layer: Int?, normNames: [Norm: String] = [:]) -> String {
    func name(_ norm: Norm) -> String { normNames[norm] ?? norm.ggufName }
    let name =
      switch self {
      case .tokenEmbedding: "token_embd.weight"
      case .positionEmbedding: "position_embd.weight"
      case .normScale(let norm): "\(name(norm)).weight"
      case .normOffset(let norm): "\(name(norm)).bias"
      case .weight(let projection, _): "\(projection.ggufName).weight"
      case .bias(let projection): "\(projection.ggufName).bias"
      case .sinks: "attn_sinks.weight"
      case .other(let name): name
      case .mxfp4Blocks(let projection), .mxfp4Scales(let projection):
        "\(projection.ggufName).weight"
      }
    return layer.map { "blk.\($0).\(name)" } ?? name
  }

  /// What GGUF files have instead: experts are stacked there, gates and values apart.
  public var ggufRoles: [DecoderRole] {
    switch self {
    case .weight(let projection, _) where projection.isOfExperts:
      projection.parts.map { .weight($0) }
    case .bias(let projection): projection.parts.map { .bias($0) }
    case .mxfp4Blocks(let projection): projection.parts.map { .weight($0) }
    case .mxfp4Scales: []
    default: [self]
    }
  }

  /// Whether it is a matrix that GGUF files have the other way round: theirs are `[out, in]`.
  public var isTransposedInGGUF: Bool {
    if case .weight(let projection, .inOut) = self { !projection.isOfExperts } else { false }
  }
}

extension DecoderRole.Norm {
  fileprivate var ggufName: String {
    switch self {
    case .attention: "attn_norm"
    case .feedForward: "ffn_norm"
    case .afterAttention: "post_attention_norm"
    case .afterFeedForward: "post_ffw_norm"
    case .query: "attn_q_norm"
    case .key: "attn_k_norm"
    case .embedding: "token_embd_norm"
    case .final: "output_norm"
    }
  }
}

extension DecoderRole.Projection {
  fileprivate var ggufName: String {
    switch self {
    case .query: "attn_q"
    case .key: "attn_k"
    case .value: "attn_v"
    case .queryKeyValue: "attn_qkv"
    case .output: "attn_output"
    case .gate: "ffn_gate"
    case .up, .gateUp: "ffn_up"
    case .down: "ffn_down"
    case .head: "output"
    case .router: "ffn_gate_inp"
    case .expertGate, .expertGateUp, .expertGateUpInTurn: "ffn_gate_exps"
    case .expertUp: "ffn_up_exps"
    case .expertDown: "ffn_down_exps"
    // No graph has them.
    case .embeddingIn: "token_embd_in"
    case .embeddingOut: "token_embd_out"
    }
  }
}
