import ModelSigning
import TensorModel

/// Every kind of finding: the one table of which the list of checks, the documentation and the rules of reports are made.
///
/// A new id is a row in the table of its group. Ids are never renamed and never used for something else.
public enum FindingKinds {
  /// All kinds, by id.
  public static let all = tables.joined().sorted { $0.id < $1.id }

  /// A table each; those of one group follow each other.
  private static let tables: [[FindingKind]] = [
    structure, containers, stateDictionaries, meshTransformers, gptNeoX, tensorFlow,
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
  /// - Parameter id: as it was written.
  /// - Returns: at most three, the nearest first; empty if nothing is near.
  public static func ids(near id: String) -> [String] { nearNames(id, among: all.map(\.id)) }
}
