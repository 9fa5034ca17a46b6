import ArgumentParser
import CheckpointComparison

/// Which differences `compare` looks for, and which it lists.
struct DifferenceOptions: ParsableArguments {
  @Flag(
    help:
      "Find the rank of each matrix's change, too: the least number of singular values that hold 90 % of its squares. Takes as many products for a weight as the smaller side of its matrix."
  )
  var rank = false

  @Option(
    help: ArgumentHelp(
      "How differences are sorted: as the first checkpoint has them, by name, or the largest first: by relative L2 (change), root mean square or largest difference, elements that differ, or the change's rank.",
      valueName: "order"))
  var sort = SortChoice.order

  @Option(
    help: ArgumentHelp(
      "List the first N differences only; by default text has 40 and --json all.",
      valueName: "n"))
  var top: Int?

  @Flag(
    help:
      "Leave out tensors that differ by no more than their dtypes explain, and kinds and layers without others."
  )
  var changedOnly = false

  @Flag(
    help:
      "Tensors with the same values in other dtypes, such as F16 and F32, count as equal: they aren't listed, and if no others differ the exit code is 0."
  )
  var equalValues = false

  func validate() throws {
    try OptionRange("--top", 0...1_000_000_000).check(top)
    if sort == .rank && !rank { throw ValidationError("--sort rank needs --rank.") }
  }

  /// What is listed.
  var selection: DifferenceSelection {
    var selection = DifferenceSelection()
    (selection.order, selection.limit) = (sort.order, top)
    (selection.isOfChanges, selection.countsValues) = (changedOnly, equalValues)
    return selection
  }
}

/// What `--sort` takes.
enum SortChoice: String, ExpressibleByArgument, CaseIterable {
  case order, name, change, rms, max, elements, rank

  /// The order of differences.
  var order: DifferenceOrder {
    switch self {
    case .order: .source
    case .name: .name
    case .change: .change
    case .rms: .rms
    case .max: .max
    case .elements: .elements
    case .rank: .rank
    }
  }
}
