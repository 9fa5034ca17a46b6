import TensorModel

/// What names of variables say about what they are for, whatever the model.
enum VariableNames {
  /// Endings of what optimizers keep for a variable, behind its own name: Mesh-TensorFlow's, TensorFlow 1's.
  private static let slots = [
    "/adam_m", "/adam_v", "/Adam", "/Adam_1", "/Momentum", "/RMSProp", "/RMSProp_1", "/Adagrad",
    "/adafactor_vr", "/adafactor_vc", "/slot_vr", "/slot_vc", "/slot_v",
  ]
  /// What stands in names of what TensorFlow 2's optimizers keep.
  private static let slotPart = "/.OPTIMIZER_SLOT/"
  private static let counters: Set = [
    "beta1_power", "beta2_power", "save_counter/.ATTRIBUTES/VARIABLE_VALUE",
  ]
  private static let step = "global_step"

  /// What a variable is for.
  ///
  /// - Parameters:
  ///   - name: of the variable.
  ///   - names: of all.
  /// - Returns: `weight` for everything that isn't known as something else.
  static func role(of name: String, among names: Set<ExactName>) -> TensorInfo.Role {
    if name == step { return .step }
    if counters.contains(name) || name.contains(slotPart) { return .optimizer }
    let isSlot = slots.contains { slot in
      name.hasSuffix(slot) && names.contains(ExactName(String(name.dropLast(slot.count))))
    }
    return isSlot ? .optimizer : .weight
  }
}
