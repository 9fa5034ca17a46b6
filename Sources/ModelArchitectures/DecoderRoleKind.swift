extension DecoderRole {
  /// The kind of weight in words, as tables and pages show it: "attention query", "mlp up bias", "token embedding".
  ///
  /// Equal for equal roles, whichever way a weight lies; what isn't run here keeps the name that it has in its layer.
  public var kind: String {
    switch self {
    case .tokenEmbedding: "token embedding"
    case .positionEmbedding: "position embedding"
    case .normScale(let norm): norm.kind
    case .normOffset(let norm): "\(norm.kind) offset"
    case .weight(let projection, _): projection.kind
    case .bias(let projection): "\(projection.kind) bias"
    case .sinks: "attention sinks"
    case .mxfp4Blocks(let projection): "\(projection.kind) codes"
    case .mxfp4Scales(let projection): "\(projection.kind) scales"
    case .other(let name): name.hasSuffix(".weight") ? String(name.dropLast(7)) : name
    }
  }
}

extension DecoderRole.Norm {
  /// The norm in words.
  var kind: String {
    switch self {
    case .attention: "attention norm"
    case .feedForward: "mlp norm"
    case .afterAttention: "norm after attention"
    case .afterFeedForward: "norm after mlp"
    case .query: "attention query norm"
    case .key: "attention key norm"
    case .embedding: "embedding norm"
    case .final: "final norm"
    }
  }
}

extension DecoderRole.Projection {
  /// The projection in words.
  var kind: String {
    switch self {
    case .query: "attention query"
    case .key: "attention key"
    case .value: "attention value"
    case .queryKeyValue: "attention query, key, value"
    case .output: "attention output"
    case .gate: "mlp gate"
    case .up: "mlp up"
    case .gateUp: "mlp gate and up"
    case .down: "mlp down"
    case .embeddingIn: "embedding in"
    case .embeddingOut: "embedding out"
    case .router: "expert router"
    case .expertGate: "expert gate"
    case .expertUp: "expert up"
    case .expertGateUp, .expertGateUpInTurn: "expert gate and up"
    case .expertDown: "expert down"
    case .head: "head"
    }
  }
}
