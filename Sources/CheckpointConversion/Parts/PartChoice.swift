public import TensorModel

/// Which part a process does: what `--part` takes.
public enum PartChoice: Hashable, Sendable {
  /// `3/32`.
  case part(PartNumber)
  /// `auto/32`: the number from the scheduler.
  case automaticNumber(count: Int)
  /// `auto`: both from the scheduler.
  case automatic

  /// Parses `3/32`, `auto/32` or `auto`; nil for anything else.
  public init?(_ text: String) {
    if text == "auto" {
      self = .automatic
    } else if text.hasPrefix("auto/") {
      guard let part = PartNumber("1/\(text.dropFirst(5))") else { return nil }
      self = .automaticNumber(count: part.count)
    } else {
      guard let part = PartNumber(text) else { return nil }
      self = .part(part)
    }
  }
}

extension PartChoice {
  /// The part that a process is to do where nothing but its environment tells.
  ///
  /// - Parameters:
  ///   - variables: of the environment.
  ///   - knownCount: how many parts there are, where that stands with them.
  /// - Returns: the part, and the same with the variable that said so.
  /// - Throws: `usage` where that can't be told for sure.
  public func part(
    _ variables: [String: String], knownCount: Int?
  ) throws(CheckpointError) -> (part: PartNumber, text: String) {
    let known = knownCount.map { (count: $0, arrayStart: nil as Int?) }
    let chosen = try SchedulerEnvironment(variables, known: known).part(self)
    return (chosen.part, chosen.text)
  }
}

/// A part, and what said so.
struct ChosenPart: Hashable {
  let part: PartNumber
  /// The variable that it was taken from; nil where it was written.
  var origin: String?
  /// With which number the scheduler's array began, where it says it.
  var arrayStart: Int?

  /// As messages have it: `3/32 (SLURM_ARRAY_TASK_ID)`.
  var text: String { "\(part)" + (origin.map { " (\($0))" } ?? "") }
}
