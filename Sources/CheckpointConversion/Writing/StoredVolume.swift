import TensorEvaluation

/// What the journal says of a finished volume of a store.
struct VolumeClaim: Codable, Hashable {
  let volume: Int
}
