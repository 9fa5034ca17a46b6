import FileContainers
import TensorModel

/// Options for sbatch that a user passes on.
struct SbatchOptions {
  /// As they were given, for a line of a script.
  let text: String

  /// Long and short names of options that a submission sets, or that would change what it does.
  private static let own = [
    ("array", "a"), ("output", "o"), ("dependency", "d"), ("kill-on-invalid-dep", nil),
    ("job-name", "J"), ("requeue", nil), ("no-requeue", nil), ("chdir", "D"), ("wrap", nil),
    ("parsable", nil), ("test-only", nil), ("wait", "W"), ("help", "h"), ("usage", nil),
    ("version", "V"), ("input", "i"),
  ]

  /// - Parameters:
  ///   - text: one line.
  ///   - shared: of which memory and threads are asked for, too.
  /// - Throws: `usage` for options that a submission sets itself.
  init(_ text: String, _ shared: SharedOptions) throws(CheckpointError) {
    self.text = text
    var own = Self.own.map { ($0.0, $0.1, nil as String?) }
    if shared.memory != nil { own.append(("mem", nil, "--memory")) }
    if shared.threads != nil { own.append(("cpus-per-task", "c", "--threads")) }
    for word in Self.words(text) where word.hasPrefix("-") {
      let isLong = word.hasPrefix("--")
      let name = word.drop { $0 == "-" }.prefix { $0 != "=" }
      // sbatch takes the beginning of a name for all of it.
      let clash = own.first { long, short, _ in
        isLong ? !name.isEmpty && long.hasPrefix(name) : short.map(name.hasPrefix) ?? false
      }
      guard let clash else { continue }
      throw CheckpointError(
        .usage, "--sbatch: --\(clash.0) is set by the submission itself", found: word,
        hint: clash.2.map { "leave it out of --sbatch, or leave out \($0)" }
          ?? (clash.0 == "array"
            ? "leave it out: --submit slurm:N%M says how many parts there are, and how many run at a time"
            : "leave it out; --dry-run shows what is set")
      )
    }
  }

  /// The words of a line, as sbatch takes them apart.
  private static func words(_ text: String) -> [String] {
    var (words, word): ([String], String?) = ([], nil)
    var quote: Character?
    for character in text {
      if let open = quote {
        if character == open { quote = nil } else { word = (word ?? "") + String(character) }
      } else if character == "'" || character == "\"" {
        quote = character
        word = word ?? ""
      } else if character.isWhitespace {
        if let whole = word { words.append(whole) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    return words + (word.map { [$0] } ?? [])
  }
}
