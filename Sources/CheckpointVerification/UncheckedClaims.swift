import CheckpointConversion

/// What a certificate says that nothing in the checkpoint confirms or refutes: said to be unchecked, so that nobody takes it for checked.
enum UncheckedClaims {
  /// The end of a check's sentence.
  static func text(_ certificate: Certificate) -> String {
    var names = ["tool", "plan", "source", "inputs", "settings", "findings", "left_out"]
    if certificate.settings == nil { names.removeAll { $0 == "settings" } }
    if certificate.attention == nil { names.append("attention") }
    if certificate.validation != nil { names.append("validation") }
    return "; unchecked: its \(names.joined(separator: ", "))"
  }
}
