import FileContainers
import TensorModel

/// `general.name`, at which llama.cpp looks: models that are called Phi-3 must have four tokens, or aren't loaded (llama-vocab.cpp).
struct GGUFName {
  /// The name; nil for none.
  let text: String?
  /// What is said of a name that isn't written.
  let findings: [Finding]

  private static let parts = ["phi-3", "phi3"]
  private static let tokens = ["</s>", "<unk>", "<s>", "<|endoftext|>"]

  /// A name for a file with these keys of a tokenizer.
  init(_ name: String?, tokenizer: [(key: String, value: GGUFValue)]) {
    let lower = name?.lowercased() ?? ""
    let known = tokenizer.first { $0.key == "tokenizer.ggml.tokens" }?.value.array?.texts ?? []
    guard Self.parts.contains(where: lower.contains),
      let missing = Self.tokens.first(where: { !known.contains($0) })
    else {
      (text, findings) = (name, [])
      return
    }
    text = nil
    findings = [
      Finding(
        .warning, "gguf-name",
        "the name '\(name ?? "")' is left out: llama.cpp wants the token '\(missing)' of models that are called Phi-3"
      )
    ]
  }
}
