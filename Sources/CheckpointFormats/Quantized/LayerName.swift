/// The name of a module, by what it says of its place in the model.
struct LayerName {
  private static let heads: Set = ["lm_head", "embed_out", "output", "score", "classifier"]
  /// What chooses experts: most programs have it plain, whatever class it is of.
  private static let routers: Set = [
    "gate", "router", "shared_expert_gate", "shared_experts_gate", "classifier_gate",
  ]
  /// Linear layers of a block that every program quantizes.
  private static let linear: Set = [
    "q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "gate_proj", "up_proj", "down_proj",
    "qkv_proj", "gate_up_proj", "q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "fc1",
    "fc2", "fc_in", "fc_out", "query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h",
  ]

  let name: String
  /// The name with `*` in the place of numbers: that of the same layer everywhere.
  let pattern: String
  /// What the pattern begins with, up to the number of the block; nil outside of blocks.
  let stack: String?
  /// The name after the number of the block.
  let placeInBlock: String?
  /// The first number: as a rule the block's.
  let number: Int?
  private let last: String

  init(_ name: String) {
    self.name = name
    let components = name.split(separator: ".", omittingEmptySubsequences: false)
    let isNumber = { (text: Substring) in
      !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
    }
    pattern = components.map { isNumber($0) ? "*" : $0 }.joined(separator: ".")
    let place = components.firstIndex(where: isNumber)
    number = place.flatMap { Int(components[$0]) }
    stack = place.map { components[..<$0].joined(separator: ".") }
    placeInBlock = place.map { components[($0 + 1)...].joined(separator: ".") }
    last = components.last.map(String.init) ?? name
  }

  var isEmbedding: Bool { CompressedGroups.embeddings.contains(last) }
  var isHead: Bool { number == nil && Self.heads.contains(last) }
  var isRouter: Bool { Self.routers.contains(last) }
  /// Whether it is surely a linear layer.
  var isLinear: Bool { number != nil && Self.linear.contains(last) }
}
