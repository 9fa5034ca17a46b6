import ModelArchitectures
import TensorModel

/// Under which names a checkpoint has the tensors that its configuration asks for.
struct ModelNames {
  /// What stands before all of them, as `torch.compile`, DataParallel and Lightning put it there; mostly nothing.
  private(set) var wrapper = ""
  /// The names that the family's table has, by those of checkpoints of the bare model.
  private(set) var fullNames: [ExactName: ExactName] = [:]

  private static let wrappers = ["base_model.model.", "module.", "_orig_mod.", "model."]

  /// Looks the names up.
  ///
  /// - Parameters:
  ///   - names: of the checkpoint.
  ///   - expected: what the table has.
  init(_ names: Set<ExactName>, expected: [Architecture.Tensor]) {
    let spellings = expected.map(\.spellings)
    var most = 0
    for candidate in Self.candidates(names) {
      let found = spellings.count { spellings in
        spellings.contains { names.contains(ExactName(candidate + $0)) }
      }
      if found > most { (most, wrapper) = (found, candidate) }
    }
    // A few names that happen to fit are no reason to rename the others.
    if most * 2 < expected.count { wrapper = "" }
    for spellings in spellings where !names.contains(ExactName(wrapper + spellings[0])) {
      for spelling in spellings.dropFirst() where names.contains(ExactName(wrapper + spelling)) {
        fullNames[ExactName(spelling)] = ExactName(spellings[0])
      }
    }
  }

  /// What may stand before all names: wrappers within wrappers, as names begin with them.
  private static func candidates(_ names: Set<ExactName>) -> [String] {
    var found: Set<String> = [""]
    for name in names {
      var (prefix, rest) = ("", name.text[...])
      while let wrapper = wrappers.first(where: rest.hasPrefix), found.count < maximumCandidates {
        rest = rest.dropFirst(wrapper.count)
        prefix += wrapper
        found.insert(prefix)
      }
    }
    return found.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
  }

  /// How many different beginnings are tried.
  private static let maximumCandidates = 32

  /// The tensors without what stands before their names.
  func unwrapped(_ tensors: [CanonicalTensor]) -> [CanonicalTensor] {
    guard !wrapper.isEmpty else { return tensors }
    let unwrapped = tensors.map { tensor in
      tensor.name.hasPrefix(wrapper)
        ? CanonicalTensor(
          name: String(tensor.name.unicodeScalars.dropFirst(wrapper.unicodeScalars.count)),
          shape: tensor.shape, dtype: tensor.dtype, expression: tensor.expression) : tensor
    }
    // Names that are the same without it stay as they are.
    let isUnique = Set(unwrapped.map { ExactName($0.name) }).count == unwrapped.count
    return isUnique ? unwrapped : tensors
  }

  /// What is said of unusual names.
  var findings: [Finding] {
    wrapper.isEmpty
      ? []
      : [
        Finding(
          .note, "name-prefix",
          "'\(wrapper)' before the tensors' names, which a wrapper of the model put there, isn't looked at here and left out by conversions: other programs look for the names without it"
        )
      ]
  }
}
