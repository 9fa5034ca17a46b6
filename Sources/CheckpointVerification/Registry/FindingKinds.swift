import ModelSigning

/// Every kind of finding: the one table of which the list of checks, the documentation and the rules of reports are made.
///
/// A new id is a row in the table of its group. Ids are never renamed and never used for something else.
public enum FindingKinds {
  /// All kinds, by id.
  public static let all = tables.joined().sorted { $0.id < $1.id }

  /// A table each; those of one group follow each other.
  private static let tables: [[FindingKind]] = [
    structure, containers, stateDictionaries, meshTransformers,
    store,
    configuration, tensors,
    contents,
    values,
    cache,
    certificate,
    digests,
    signature,
    derivation,
    against,
    selection,
    conversion, ggufConversion, quantization,
    inspection,
    comparison,
  ]

  /// Those of signatures, which the module that checks them explains.
  private static let signature = SignatureFinding.explanations.map {
    FindingKind($0.id, "signature", $0.severity, $0.title, $0.help)
  }

  /// The groups in the order of the tables, which is that of the checks.
  public static let groups: [String] = tables.joined().reduce(into: []) { groups, kind in
    if !groups.contains(kind.group) { groups.append(kind.group) }
  }

  private static let places = Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0) })

  /// The kind of an id.
  ///
  /// - Parameter id: a finding's `check`.
  /// - Returns: nil if there is no such id.
  public static subscript(id: String) -> FindingKind? { places[id] }

  /// The kinds of a group, by id.
  public static func kinds(of group: String) -> [FindingKind] {
    all.filter { $0.group == group }
  }

  /// The ids that a person may have meant who wrote one that there isn't.
  ///
  /// - Parameters:
  ///   - id: as it was written.
  ///   - count: how many to name at most.
  /// - Returns: the nearest first.
  public static func ids(near id: String, count: Int = 3) -> [String] {
    // Nothing that is much longer than all ids is near to one.
    let written = Array(id.lowercased().utf8.prefix(longestID + 1))
    let distances = all.map { kind in
      let distance = distance(written, Array(kind.id.utf8))
      let isPart = !written.isEmpty && kind.id.contains(id.lowercased())
      // Parts are nearer than anything but a slip of the hand.
      return (id: kind.id, distance: isPart ? min(2, distance) : distance)
    }
    return distances.sorted { ($0.distance, $0.id) < ($1.distance, $1.id) }
      .prefix(count).map(\.id)
  }

  private static let longestID = all.reduce(0) { max($0, $1.id.utf8.count) }

  /// How many bytes must be put in, taken out or changed to make one of the other (Levenshtein).
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (i, byte) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, other) in right.enumerated() {
        let changed = diagonal + (byte == other ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(changed, row[j] + 1, row[j + 1] + 1)
      }
    }
    return row[right.count]
  }
}
