import TensorModel

extension FindingKinds {
  /// What was to be checked and was not.
  static let selection: [FindingKind] = [
    FindingKind(
      "not-checked", "selection", .error,
      "A check that must pass was skipped",
      """
      The command says by --require, --against or another option that a check must pass, and \
      it couldn't run, or --checks names only checks that couldn't. The message has the reason. \
      Provide what the check needs, or stop requiring it.
      """),
    FindingKind(
      "not-complete", "selection", .error,
      "Not everything was checked",
      """
      With --strict a checkpoint passes only if everything was looked at, and some checks were \
      skipped. The message lists them with their reasons. Provide what they need, or leave out \
      --strict.
      """),
    FindingKind(
      "not-run", "selection", .error,
      "The checks couldn't run",
      """
      Nothing was checked: the checkpoint isn't there, can't be read by this user, or another \
      argument can't be used. Only reports for other programs have this as a finding; the \
      command ends with exit code 2. The message says what to change.
      """),
  ]
}
