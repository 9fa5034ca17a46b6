/// How summaries are written in JSON: the figures of a group stand beside what it is of.
extension ComparisonSummary {
  private enum CodingKeys: String, CodingKey { case all, kinds, layers, rankReason }

  /// Writes all of it.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(all, forKey: .all)
    try container.encode(kinds, forKey: .kinds)
    try container.encode(layers, forKey: .layers)
    try container.encodeIfPresent(rankReason, forKey: .rankReason)
  }
}

extension ComparisonSummary.Kind {
  private enum CodingKeys: String, CodingKey { case kind }

  /// Writes the kind and the figures.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(kind, forKey: .kind)
    try group.encode(to: encoder)
  }
}

extension ComparisonSummary.Layer {
  private enum CodingKeys: String, CodingKey { case layer, stack }

  /// Writes the layer, null outside of layers, and the figures.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(layer, forKey: .layer)
    try container.encodeIfPresent(stack, forKey: .stack)
    try group.encode(to: encoder)
  }
}

extension ComparisonSummary.Group: Encodable {
  private enum CodingKeys: String, CodingKey {
    case tensorCount, equalCount, equalFraction, roundedCount, elementCount
    case relativeL2 = "relative_l2"
    case rms
    case maxAbsolute = "maxAbs"
    case ranks, reason
  }

  /// Writes what isn't a number as null, with the reason.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(tensorCount, forKey: .tensorCount)
    try container.encode(equalCount, forKey: .equalCount)
    try container.encode(equalFraction, forKey: .equalFraction)
    try container.encode(roundedCount, forKey: .roundedCount)
    try container.encode(movement?.elementCount ?? 0, forKey: .elementCount)
    let figures = [
      (CodingKeys.relativeL2, movement?.relativeL2), (.rms, movement?.rms),
      (.maxAbsolute, movement?.maxAbsolute),
    ]
    for (key, value) in figures { try container.encodeFinite(value ?? .nan, forKey: key) }
    if movement == nil {
      try container.encode("no tensor is of floats", forKey: .reason)
    } else if !figures.allSatisfy({ $1?.isFinite == true }) {
      try container.encode("a value, or its square, is infinite", forKey: .reason)
    }
    try container.encodeIfPresent(ranks, forKey: .ranks)
  }
}
