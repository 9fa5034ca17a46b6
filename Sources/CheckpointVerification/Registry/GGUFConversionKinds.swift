import TensorModel

extension FindingKinds {
  /// What llama.cpp computes or cuts in another way than the model that is written as GGUF.
  static let ggufConversion: [FindingKind] = [
    FindingKind(
      "gguf-gelu", "conversion", .note,
      "llama.cpp computes GELU in another way",
      """
      The model's activation is GELU, which llama.cpp computes by another formula or from a \
      table of 16-bit floats. Results differ slightly, by less than quantizing changes them. \
      Nothing needs to be done.
      """),
    FindingKind(
      "gguf-headless", "conversion", .warning,
      "The model has no head",
      """
      Nothing in the model makes logits of its last layer, and llama.cpp uses the embedding as \
      the head then. What it generates has no meaning. Use the file for embeddings only.
      """),
    FindingKind(
      "gguf-ignore-merges", "conversion", .warning,
      "llama.cpp merges tokens in another way",
      """
      The tokenizer takes whole words as they are (ignore_merges) and llama.cpp doesn't for \
      this kind of tokenizer, or the other way round. Some words get other tokens. Check with \
      texts of your own whether it matters.
      """),
    FindingKind(
      "gguf-name", "conversion", .warning,
      "The model's name is left out",
      """
      llama.cpp treats models that are called Phi-3 specially and asks for a token that this \
      tokenizer lacks. It couldn't load the file under this name, so the name isn't written. \
      Nothing needs to be done.
      """),
    FindingKind(
      "gguf-normalizer", "conversion", .warning,
      "llama.cpp doesn't change texts before it cuts them",
      """
      The tokenizer normalizes texts first, for example by composing accents (NFC), and \
      llama.cpp skips this step. Texts that are not in that form get other tokens. Normalize \
      texts yourself before you pass them on.
      """),
    FindingKind(
      "gguf-norms", "conversion", .note,
      "Norm weights are stored with 1 added",
      """
      The family multiplies by 1 + weight, and GGUF files hold the sum. Adding rounds small \
      weights, and reading such a file back can't restore what was rounded off. The \
      certificate says by how much.
      """),
    FindingKind(
      "gguf-pattern", "conversion", .warning,
      "llama.cpp cuts texts by a simpler pattern",
      """
      The tokenizer's pattern knows the letters of all scripts, and llama.cpp's version of it \
      doesn't. Texts with such letters or combining marks can get other tokens. Check with \
      texts of your own whether it matters.
      """),
    FindingKind(
      "gguf-template", "conversion", .warning,
      "llama.cpp adds fewer tokens around a text",
      """
      The tokenizer puts several tokens before or after each text, and a GGUF file can express \
      only one or none. Add the others to your prompts yourself; the message lists them.
      """),
    FindingKind(
      "gguf-token-flags", "conversion", .warning,
      "llama.cpp ignores how added tokens treat their neighbours",
      """
      Some added tokens swallow spaces beside them or match whole words only (lstrip, rstrip, \
      single_word), and GGUF has no place for that. Texts with these tokens can be cut \
      differently. Check your prompts' spaces around them.
      """),
    FindingKind(
      "gguf-window", "conversion", .warning,
      "llama.cpp has no sliding window for this model",
      """
      The model's attention sees only the last tokens, and llama.cpp's graph for it sees all. \
      Results differ as soon as a text is longer than the window. Keep texts shorter than the \
      window that the message names.
      """),
    FindingKind(
      "gguf-yarn", "conversion", .warning,
      "llama.cpp rounds the range of YaRN",
      """
      The model's scaling of rotary positions (YaRN with truncate: false) isn't rounded to \
      whole dimensions, and llama.cpp always rounds. Results differ a little at all lengths. \
      Use another program where this matters.
      """),
    FindingKind(
      "generation-settings", "conversion", .note,
      "Settings for generation are left out",
      """
      Some settings of generation_config.json have no key in a GGUF file, or the file can't be \
      read, which is a warning. The weights aren't concerned. Pass the listed settings to \
      llama.cpp yourself.
      """),
    FindingKind(
      "chat-template", "conversion", .note,
      "Chat templates are left out, renamed or contradict each other",
      """
      The model has several chat templates, in one file or in several, and a GGUF file has \
      room for one default and some with simple names. The message says what became of each. \
      It is a warning where a template was lost; pass it to llama.cpp yourself.
      """),
    FindingKind(
      "special-token", "conversion", .warning,
      "A special token is unclear",
      """
      The files disagree about which token begins or ends a text, or name one that doesn't \
      exist, or there are more of them than the target has keys for. Generation may not stop \
      where it should. Correct the model's configuration files.
      """),
    FindingKind(
      "added-token", "conversion", .warning,
      "An added token has no clear id",
      """
      The tokenizer's files give a token several ids, give an id to several tokens, or only \
      name a token. The result follows transformers, and the message says what it does. It is \
      a note where nothing is contradicted; correct the tokenizer's files otherwise.
      """),
    FindingKind(
      "token-left-out", "conversion", .warning,
      "Added tokens without embeddings are left out",
      """
      The tokenizer has tokens whose ids are beyond the embedding's last row. The model can't \
      compute with them, and llama.cpp refuses them. Enlarge the embedding first if the tokens \
      are needed.
      """),
    FindingKind(
      "tokenizer-small", "conversion", .warning,
      "The tokenizer has far fewer tokens than the model",
      """
      The embedding has more than twice as many rows as the tokenizer has tokens. The \
      tokenizer probably belongs to another model. Get both from the same place.
      """),
  ]
}
