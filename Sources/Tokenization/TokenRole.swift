extension Tokenizer {
  /// What a token does for the model, by the name that `tokenizer_config.json` gives it, such as `bos` of `bos_token`.
  ///
  /// In the order in which transformers adds tokens that only their names mention; the first seven are those that it knows.
  public enum Role: String, Sendable, CaseIterable {
    /// Begins a text.
    case beginning = "bos"
    /// Ends a text.
    case end = "eos"
    /// Stands for what can't be said.
    case unknown = "unk"
    /// Stands between two texts.
    case separator = "sep"
    /// Fills a row of a batch.
    case padding = "pad"
    /// Begins a text that is to be classified.
    case classification = "cls"
    /// Stands for a word that is to be guessed.
    case mask = "mask"
    /// Ends a turn of a conversation.
    case endOfTurn = "eot"
    /// Ends a message whose turn goes on.
    case endOfMessage = "eom"
    /// Stands before the text that comes before a gap.
    case gapPrefix = "fim_pre"
    /// Stands before the text that comes after a gap.
    case gapSuffix = "fim_suf"
    /// Stands before the text that fills a gap.
    case gapMiddle = "fim_mid"
    /// Fills a gap.
    case gapPadding = "fim_pad"
    /// Stands before a repository's name.
    case gapRepository = "fim_rep"
    /// Stands before a file's name.
    case gapFile = "fim_sep"
  }
}
