// A file of prompts and the labels between which a model is to choose: JSON Lines, an object in each line that isn't empty.
//
//   {"prompt": TEXT, "labels": [TEXT, …], "gold"?: a label, or its place from 0, "prefix"?: true, false, or a number of tokens}
//
// `prefix`: how many of the first tokens see each other, at most those of the prompt; true for all of them, false for none. Without it the checkpoint decides.

public import FileContainers
public import TensorModel

/// A prompt, and labels that may follow it.
public struct LabelledPrompt: Sendable, Hashable {
  /// The line of the file, from 1.
  public let line: Int
  /// What comes before a label.
  public let prompt: String
  /// At least two, all different.
  public let labels: [String]
  /// The place of the right one; nil if that isn't known.
  public let gold: Int?
  /// Tokens of the prompt that see each other; nil leaves it to the checkpoint.
  public let prefix: Int?

  /// What such a file may have at most.
  private static let maximumByteCount = 256 << 20
  private static let maximumLineByteCount = 4 << 20
  private static let maximumPromptCount = 100_000
  private static let maximumLabelCount = 1000

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - inputs: takes the file in as an input.
  /// - Returns: the prompts, at least one.
  /// - Throws: `usage` with the line for what is none; `missing` or `inputOutput`.
  public static func all(
    at path: String, recordedIn inputs: ReadFiles?
  ) throws(CheckpointError) -> [LabelledPrompt] {
    let bytes = try InputFile.contents(of: path, limit: maximumByteCount, recordedIn: inputs)
    do throws(CheckpointError) {
      guard !bytes.starts(with: [0xef, 0xbb, 0xbf]) else {
        throw CheckpointError(
          .usage, "the file begins with a byte order mark (BOM)", expected: "UTF-8 without one",
          hint: "save the file as UTF-8 without BOM")
      }
      var prompts: [LabelledPrompt] = []
      var (number, start) = (0, 0)
      while start < bytes.count {
        let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        let line = bytes[start..<end]
        (number, start) = (number + 1, end + 1)
        guard line.contains(where: { ![0x20, 0x09, 0x0d].contains($0) }) else { continue }
        guard line.count <= maximumLineByteCount else {
          throw tooLarge("line \(number): too long", "\(maximumLineByteCount) bytes")
        }
        guard prompts.count < maximumPromptCount else {
          throw tooLarge("too many prompts", "\(maximumPromptCount)")
        }
        prompts.append(try LabelledPrompt(Array(line), line: number))
      }
      guard !prompts.isEmpty else {
        throw CheckpointError(.usage, "there are no prompts in this file")
      }
      return prompts
    } catch { throw error.in(file: path) }
  }

  private static func tooLarge(_ what: String, _ limit: String) -> CheckpointError {
    CheckpointError(
      .usage, what, expected: "at most \(limit)", hint: "cut the file into smaller ones")
  }

  private init(_ bytes: [UInt8], line: Int) throws(CheckpointError) {
    func unusable(_ what: String, _ expected: String, _ found: String?) -> CheckpointError {
      CheckpointError(
        .usage, "line \(line): \(what)", expected: expected, found: found,
        hint: #"a line is {"prompt": "…", "labels": ["…", "…"], "gold": "…"}; gold may be left out"#
      )
    }
    let value: JSONValue
    do throws(CheckpointError) { value = try JSONValue(parsing: bytes) } catch {
      throw unusable("not a JSON object", "JSON Lines", error.summary)
    }
    let known = ["prompt", "labels", "gold", "prefix"]
    if let other = value.members?.first(where: { !known.contains($0.key) }) {
      throw unusable("a key that means nothing here", known.joined(separator: ", "), other.key)
    }
    guard let prompt = value["prompt"]?.text, !prompt.isEmpty else {
      throw unusable("no prompt", "a text that isn't empty", value["prompt"]?.shortText)
    }
    let labels = (value["labels"]?.elements ?? []).map(\.text)
    guard (2...Self.maximumLabelCount).contains(labels.count),
      case let texts = labels.compactMap({ $0 }), texts.count == labels.count,
      texts.allSatisfy({ !$0.isEmpty }), Set(texts.map { ExactName($0) }).count == texts.count
    else {
      throw unusable(
        "no labels to choose between", "2 to \(Self.maximumLabelCount) different texts",
        value["labels"]?.shortText)
    }
    self.line = line
    self.prompt = prompt
    self.labels = texts
    switch value["gold"] {
    case nil, .null: gold = nil
    case let given?:
      let place =
        given.integer
        ?? given.text.flatMap { text in
          texts.firstIndex { ExactName($0) == ExactName(text) }
        }
      guard let place, texts.indices.contains(place) else {
        throw unusable(
          "gold isn't one of the labels", "a label, or its place from 0", given.shortText)
      }
      gold = place
    }
    switch value["prefix"] {
    case nil, .null: prefix = nil
    case .bool(let isWhole): prefix = isWhole ? .max : 0
    case let given?:
      guard let count = given.integer, count >= 0 else {
        throw unusable("no prefix", "true, false or a number of tokens", given.shortText)
      }
      prefix = count
    }
  }
}
