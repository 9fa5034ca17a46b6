import TensorModel

extension FindingKinds {
  /// What was to be checked and was not.
  static let selection: [FindingKind] = [
    FindingKind(
      "not-checked", "selection", .error,
      "A check that must pass was skipped",
      """
      The command says by --require, --against or another option that a check must pass, and \
      it couldn't run. The message has the reason. Provide what the check needs, or stop \
      requiring it.
      """),
    FindingKind(
      "not-complete", "selection", .error,
      "Not everything was checked",
      """
      With --strict a checkpoint passes only if everything was looked at, and some checks were \
      skipped. The message lists them with their reasons. Provide what they need, or leave out \
      --strict.
      """),
  ]
}
