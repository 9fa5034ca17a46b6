import ArgumentParser
import Quantization

/// What `--scheme` takes: a scheme, several separated by commas, or the names of sets of them.
struct SchemeChoice: ExpressibleByArgument {
  /// In the order in which they are named, each once; at least one.
  let schemes: [QuantizationScheme]
  /// Whether a set was named, whose schemes needn't all fit a model.
  let isOfSet: Bool

  /// The first.
  var scheme: QuantizationScheme { schemes[0] }
  /// Whether they are to be compared.
  var areSeveral: Bool { schemes.count > 1 }

  init?(argument: String) {
    var (schemes, isOfSet) = ([QuantizationScheme](), false)
    for name in argument.split(separator: ",", omittingEmptySubsequences: false) {
      if let set = Self.sets.first(where: { $0.name == name.lowercased() }) {
        isOfSet = true
        schemes += set.schemes
      } else if let scheme = QuantizationScheme(named: String(name)) {
        schemes.append(scheme)
      } else {
        return nil
      }
    }
    var seen = Set<QuantizationScheme>()
    self.schemes = schemes.filter { seen.insert($0).inserted }
    self.isOfSet = isOfSet
  }

  static let allValueStrings = QuantizationScheme.all.map(\.name) + sets.map(\.name)
  static let defaultCompletionKind = CompletionKind.list(allValueStrings)

  /// Names of sets: all schemes that quantize, and those of each container.
  private static let sets: [(name: String, schemes: [QuantizationScheme])] = {
    let quantizing = QuantizationScheme.all.filter(\.type.isQuantized)
    var names: [String] = []
    for scheme in quantizing where !names.contains(scheme.container.title) {
      names.append(scheme.container.title)
    }
    return [("all", quantizing)]
      + names.map { name in (name, quantizing.filter { $0.container.title == name }) }
  }()

  /// The names of sets, as help has them.
  static var setNames: String { sets.map(\.name).joined(separator: ", ") }

  /// A line or two for each family of schemes, as `--help` has them.
  static var table: String {
    QuantizationScheme.families.map { family in
      let names = "  " + family.names
      let gap = tableColumn - names.count
      return names
        + (gap > 0
          ? String(repeating: " ", count: gap)
          : "\n" + String(repeating: " ", count: tableColumn))
        + family.summary
    }.joined(separator: "\n")
  }

  private static let tableColumn = 34

  /// The dtypes that single tensors can be given, of all containers.
  static var typeNames: [String] {
    var names: [String] = []
    for scheme in QuantizationScheme.all {
      names += scheme.container.dtypeNames.filter { !names.contains($0) }
    }
    return names
  }
}
