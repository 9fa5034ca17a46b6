import CheckpointConversion
import Foundation
import ModelArchitectures
import ReferenceForward
import TensorModel
import Tokenization

/// What `forward` says.
struct ForwardReport: Encodable {
  var schema = "forward/v1"
  var tool = Certificate.Tool.current
  /// The checkpoint: as it was given if that is relative, else the path's last component.
  let path: String
  let architecture: String
  let rowCount: Int
  let tokenCount: Int
  /// How many of the first tokens of a row saw each other.
  let prefix: Int
  /// The likeliest next tokens of each row.
  var top: [[Candidate]]?
  /// Tokens that were generated.
  var generated: [Int]? {
    didSet { generatedText = generated.flatMap { tokenizer?.decode($0) } }
  }
  /// Their text, where there is a tokenizer.
  private(set) var generatedText: String?
  var perplexity: MeasuredPerplexity?
  /// Why there are values that are null.
  var reason: String?
  var timing = Timing()
  private let tokenizer: Tokenizer?

  private enum CodingKeys: String, CodingKey {
    case schema, tool, path, architecture, rowCount, tokenCount, prefix, top, generated,
      generatedText,
      perplexity, reason, timing
  }

  /// Why logits are null.
  static let noNumbers = "the model computes no numbers (NaN or infinity)"
  /// The lines with which commands end then.
  static let noNumbersError =
    "error: \(noNumbers): its weights or its configuration are broken\nhint: "
    + "weighbridge inspect --statistics says which tensors have NaN or infinite values"

  struct Candidate: Encodable {
    let token: Int
    /// Nil where the model computes no number.
    let logit: Float?
    let probability: Double?

    private enum CodingKeys: String, CodingKey { case token, logit, probability }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(token, forKey: .token)
      try container.encode(logit, forKey: .logit)
      try container.encode(probability, forKey: .probability)
    }

    init(_ candidate: (token: Int, logit: Float, probability: Double)) {
      token = candidate.token
      logit = candidate.logit.isFinite ? candidate.logit : nil
      probability = candidate.probability.isFinite ? candidate.probability : nil
    }
  }

  /// A perplexity, and what it was measured on.
  struct MeasuredPerplexity: Encodable {
    let figures: Perplexity
    let window: Int
    let windowCount: Int
    /// From one window to the next; nil where they follow each other.
    let stride: Int?
    let leftOutTokenCount: Int

    private enum CodingKeys: String, CodingKey {
      case window, windowCount, stride, leftOutTokenCount
    }

    init(_ figures: Perplexity, _ windows: TokenWindows) {
      self.figures = figures
      window = windows.length
      windowCount = windows.rows.count
      stride = windows.stride
      leftOutTokenCount = windows.leftOutCount
    }

    func encode(to encoder: any Encoder) throws {
      try figures.encode(to: encoder)
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(window, forKey: .window)
      try container.encode(windowCount, forKey: .windowCount)
      try container.encodeIfPresent(stride, forKey: .stride)
      try container.encode(leftOutTokenCount, forKey: .leftOutTokenCount)
    }
  }

  struct Timing: Encodable {
    var seconds = 0.0
  }

  init(
    _ checkpoint: String, _ configuration: DecoderConfiguration, rows: [[Int]], prefix: Int,
    _ tokenizer: Tokenizer?
  ) {
    path = JSONDocument.path(checkpoint)
    self.tokenizer = tokenizer
    architecture = configuration.family
    rowCount = rows.count
    self.prefix = min(prefix, rows.map(\.count).max() ?? 0)
    tokenCount = rows.reduce(0) { $0 + $1.count }
  }

  /// For people.
  var text: String {
    var lines: [String] = []
    for (row, candidates) in (top ?? []).enumerated() {
      if (top ?? []).count > 1 { lines.append("row \(row)") }
      lines.append("token        logit   probability")
      for candidate in candidates {
        let text = tokenizer.map {
          "   \"\(printable($0.decode([candidate.token])))\""
        }
        lines.append(
          String(
            format: "%-8d %9.4f   %.4f", candidate.token, candidate.logit ?? .nan,
            candidate.probability ?? .nan)
            + (text ?? ""))
      }
    }
    if let generated { lines.append(generated.map(String.init).joined(separator: ",")) }
    if let generatedText { lines.append(printable(generatedText, keepingLines: true)) }
    if let perplexity {
      let figures = perplexity.figures
      lines.append(
        String(
          format: "mean negative log-likelihood %.5f ± %.5f, perplexity %.4f, %d tokens",
          figures.meanNegativeLogLikelihood, figures.standardError, figures.perplexity,
          figures.tokenCount))
      var windows = "\(counted(perplexity.windowCount, "window")) of \(perplexity.window) tokens"
      if let stride = perplexity.stride { windows += ", every \(stride)" }
      if perplexity.leftOutTokenCount > 0 {
        windows += "; \(counted(perplexity.leftOutTokenCount, "token")) at the end left out"
      }
      lines.append(windows)
    }
    lines.append(
      String(format: "%@, %d tokens in %.3f s", architecture, tokenCount, timing.seconds))
    return lines.joined(separator: "\n")
  }
}
