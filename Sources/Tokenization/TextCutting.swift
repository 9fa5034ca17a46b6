/// The ways to cut texts into words that a GGUF file can name: the steps of pre-tokenizers of byte-level BPE, as families publish them.
public enum TextCutting: Sendable, Hashable, CaseIterable {
  /// GPT-2, GPT-J, GPT-Neo, GPT-NeoX, OPT, OLMo, the first StableLM.
  case gpt2
  /// Llama 3, SmolLM3; without `ignore_merges` DBRX, OLMo 2, Phi-4.
  case llama3
  /// Qwen2, Qwen3, StableLM 2.
  case qwen2
  /// gpt-oss, Phi-4-mini.
  case gpt4o
  /// BLOOM.
  case bloom
  /// StarCoder 2, Granite: digit by digit, then as GPT-2.
  case starcoder
  /// Falcon: runs of punctuation, then as GPT-2, then runs of digits, three by three.
  case falcon

  /// The steps before bytes are merged.
  var steps: [PreTokenizer.Step] {
    switch self {
    case .gpt2: [.split(.gpt2)]
    case .llama3: [.split(.llama3)]
    case .qwen2: [.split(.qwen2)]
    case .gpt4o: [.split(.gpt4o)]
    case .bloom: [.split(.bloom)]
    case .starcoder: [.digits(.isolated), .split(.gpt2)]
    case .falcon:
      [
        .punctuation(.contiguous), .split(.gpt2), .bytes, .digits(.contiguous),
        .split(.threeDigits),
      ]
    }
  }

  /// The cutting of these steps.
  init?(_ steps: [PreTokenizer.Step]) {
    guard let known = Self.allCases.first(where: { $0.steps == steps }) else { return nil }
    self = known
  }

  /// What `tokenizer.ggml.pre` of a GGUF calls it; llama.cpp cuts alike for all of these (llama-vocab.cpp).
  private var ggufNames: [String] {
    switch self {
    case .gpt2: ["gpt-2", "olmo", "phi-2", "jais"]
    case .llama3: ["llama-bpe", "dbrx", "smaug-bpe"]
    case .qwen2: ["qwen2", "stablelm2", "deepseek-r1-qwen"]
    case .gpt4o: ["gpt-4o"]
    case .bloom: ["bloom"]
    case .starcoder: ["starcoder", "refact", "smollm", "codeshell"]
    case .falcon: ["falcon"]
    }
  }

  /// The cutting that a GGUF's `tokenizer.ggml.pre` names.
  public init?(ggufName: String) {
    guard let known = Self.allCases.first(where: { $0.ggufNames.contains(ggufName) }) else {
      return nil
    }
    self = known
  }

  /// What `tokenizer.ggml.pre` of a GGUF calls it.
  ///
  /// - Parameters:
  ///   - ignoresMerges: whether words that are tokens stay as they are, for which llama.cpp goes by the name alone.
  ///   - preferred: a name to take if it says the same.
  /// - Returns: the name.
  public func ggufName(ignoresMerges: Bool, preferred: String?) -> String {
    if let preferred, ggufNames.contains(preferred),
      Self.ignoresMerges(ggufName: preferred) == ignoresMerges
    {
      return preferred
    }
    return ggufNames.first { Self.ignoresMerges(ggufName: $0) == ignoresMerges } ?? ggufNames[0]
  }

  /// Whether llama.cpp takes words that are tokens as they are, whatever the merges say (llama-vocab.cpp).
  public static func ignoresMerges(ggufName: String) -> Bool { ggufName == "llama-bpe" }

  /// The pattern of the one `Split` that this is in a `tokenizer.json`; nil for others.
  public var expression: String? {
    guard case .split(let pattern) = steps[0], pattern != .gpt2 else { return nil }
    return pattern.expression
  }
}
