import ModelArchitectures
public import Quantization
import TensorModel

/// `--tensor-type PATTERN=TYPE` for certain tensors and no others, as a shell takes it.
public struct TypeOption: Sendable {
  /// The option and its argument.
  public let text: String

  /// A longer option is no help.
  private static let maximumCount = 500

  /// An option; nil if no short pattern says which tensors these are.
  ///
  /// - Parameters:
  ///   - names: of the tensors, which are alike but for the numbers of their layers.
  ///   - type: what they become.
  ///   - isWholeKind: whether the model has no others of the kind, so that layers needn't be counted up.
  public init?(_ names: [String], _ type: WeightType, isWholeKind: Bool) {
    guard let first = names.first, let (start, _, end) = Self.parts(first) else {
      guard names.count == 1, let name = names.first, Self.isPlain(name) else { return nil }
      text = Self.option("^\(Self.escaped(name))$", type)
      return
    }
    var layers: [String] = []
    for name in names {
      guard let parts = Self.parts(name), parts.start == start, parts.end == end else {
        return nil
      }
      layers.append(parts.layer)
    }
    guard Self.isPlain(first) else { return nil }
    let choice =
      layers.count == 1
      ? layers[0] : isWholeKind ? "[0-9]+" : "(\(layers.joined(separator: "|")))"
    text = Self.option("^\(Self.escaped(start))\(choice)\(Self.escaped(end))$", type)
    guard text.utf8.count <= Self.maximumCount else { return nil }
  }

  /// An option for tensors of any names; nil if no short pattern says which these are.
  ///
  /// - Parameters:
  ///   - names: of the tensors.
  ///   - type: what they become.
  public init?(each names: [String], _ type: WeightType) {
    guard !names.isEmpty, names.allSatisfy(Self.isPlain) else { return nil }
    let choice = names.map(Self.escaped).joined(separator: "|")
    text = Self.option(names.count == 1 ? "^\(choice)$" : "^(\(choice))$", type)
    guard text.utf8.count <= Self.maximumCount else { return nil }
  }

  private static func option(_ pattern: String, _ type: WeightType) -> String {
    "--tensor-type \(shellQuoted("\(pattern)=\(type.name.lowercased())"))"
  }

  /// A name with a layer, around the layer's number; nil without one.
  private static func parts(_ name: String) -> (start: String, layer: String, end: String)? {
    guard let layer = WeightPlace(named: name).layer else { return nil }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    // The first number that is the layer's: what stands before it has no such number.
    guard let place = parts.firstIndex(where: { Int($0) == layer }) else { return nil }
    return (
      parts[..<place].map { "\($0)." }.joined(), String(parts[place]),
      parts[(place + 1)...].map { ".\($0)" }.joined()
    )
  }

  private static func isPlain(_ name: String) -> Bool {
    name.utf8.allSatisfy {
      (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
        || $0 == 46 || $0 == 45
    }
  }

  private static func escaped(_ text: String) -> String { text.replacing(".", with: "\\.") }
}
