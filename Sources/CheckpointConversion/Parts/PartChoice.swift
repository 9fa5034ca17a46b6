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
  /// - Parameter variables: of the environment.
  /// - Returns: the part, and the same with the variable that said so.
  /// - Throws: `usage` where that can't be told for sure.
  public func part(
    _ variables: [String: String]
  ) throws(CheckpointError) -> (part: PartNumber, text: String) {
    let chosen = try SchedulerEnvironment(variables, known: nil).part(self)
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

/// What schedulers tell a process of its place among others, by the variables that they set.
struct SchedulerEnvironment {
  private let variables: [String: String]
  /// What stands with the parts: how many there are, and with which number the array began.
  private let known: (count: Int, arrayStart: Int?)?

  /// The variables of processes that count from 0, with those for how many there are.
  private static let ranks = [
    ("SLURM_PROCID", "SLURM_NTASKS"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"), ("RANK", "WORLD_SIZE"),
  ]
  /// The variables of tasks whose scheduler doesn't say how many there are, with what is added to count from 1.
  private static let numbersAlone = [
    ("JOB_COMPLETION_INDEX", 1), ("PBS_ARRAY_INDEX", 0), ("SGE_TASK_ID", 0), ("LSB_JOBINDEX", 0),
  ]
  private static let array = "SLURM_ARRAY_TASK_ID"

  /// Looks at variables.
  init(_ variables: [String: String], known: (count: Int, arrayStart: Int?)?) {
    self.variables = variables
    self.known = known
  }

  /// The part that is meant.
  ///
  /// - Throws: `usage` where that can't be told for sure, with the `--part` to write.
  func part(_ choice: PartChoice) throws(CheckpointError) -> ChosenPart {
    switch choice {
    case .part(let part): return ChosenPart(part: part)
    case .automatic: return try part()
    case .automaticNumber(let count): return try part(of: count)
    }
  }

  private func number(_ name: String) -> Int? {
    guard let text = variables[name], !text.isEmpty, text.allSatisfy(\.isDecimalDigit) else {
      return nil
    }
    return Int(text)
  }

  /// The first variable that says a rank among several, with how many these are.
  private var rank: (name: String, number: Int, count: Int)? {
    for (name, size) in Self.ranks {
      guard let number = number(name), let count = self.number(size) else { continue }
      // Slurm says the rank of a single process, too.
      if name == "SLURM_PROCID" && count == 1 { continue }
      return (name, number, count)
    }
    return nil
  }

  // MARK: Both

  private func part() throws(CheckpointError) -> ChosenPart {
    if let id = number(Self.array) { return try arrayPart(id) }
    if let rank {
      return try chosen(rank.number + 1, of: rank.count, rank.name, nil)
    }
    if let (name, _) = Self.numbersAlone.first(where: { number($0.0) != nil }) {
      throw Self.refusal(
        "\(name) says the number of this part, and nothing says how many there are",
        "say how many: --part auto/N")
    }
    throw Self.refusal(
      "no scheduler says which part this is",
      "write it, such as --part 1/8; --part auto is for job arrays of Slurm, and for processes that were started by srun, mpirun or torchrun"
    )
  }

  private func arrayPart(_ id: Int) throws(CheckpointError) -> ChosenPart {
    if let tasks = number("SLURM_NTASKS"), tasks > 1, variables["SLURM_PROCID"] != nil {
      throw Self.refusal(
        "there are \(tasks) tasks in each task of an array, which can be counted in several ways",
        "write it, with the number of array tasks times \(tasks) for N: --part \"$((SLURM_ARRAY_TASK_ID * \(tasks) + SLURM_PROCID + 1))/N\" for an array from 0"
      )
    }
    let least = number("SLURM_ARRAY_TASK_MIN")
    let count = number("SLURM_ARRAY_TASK_COUNT")
    let isWhole =
      least.map { (0...1).contains($0) } ?? false && number("SLURM_ARRAY_TASK_STEP") == 1
      && count != nil && number("SLURM_ARRAY_TASK_MAX").map { $0 - (least ?? 0) + 1 } == count
    if let known {
      let start = known.arrayStart ?? (isWhole && count == known.count ? least : nil)
      guard let start else {
        throw Self.refusal(
          "there are \(known.count) parts, and nothing says whether this array counts from 0 or from 1",
          "write it: --part \"$SLURM_ARRAY_TASK_ID/\(known.count)\" for an array from 1")
      }
      return try chosen(id - start + 1, of: known.count, Self.array, start)
    }
    guard isWhole, let least, let count else {
      throw Self.refusal(
        "these are some tasks of an array, which doesn't say how many there are in all",
        "write it, with the number of all parts: --part \"$SLURM_ARRAY_TASK_ID/N\" for an array from 1"
      )
    }
    return try chosen(id - least + 1, of: count, Self.array, least)
  }

  // MARK: The number alone

  private func part(of count: Int) throws(CheckpointError) -> ChosenPart {
    if let id = number(Self.array) { return try chosen(id, of: count, Self.array, nil) }
    if let rank {
      guard rank.count == count else {
        throw Self.refusal(
          "\(rank.name) is one of \(rank.count), not of \(count)",
          "leave the number out: --part auto, or start \(count) processes")
      }
      return try chosen(rank.number + 1, of: count, rank.name, nil)
    }
    for (name, added) in Self.numbersAlone {
      if let number = number(name) { return try chosen(number + added, of: count, name, nil) }
    }
    throw Self.refusal(
      "no scheduler says which part this is", "write it, such as --part 1/\(count)")
  }

  private func chosen(
    _ number: Int, of count: Int, _ origin: String, _ arrayStart: Int?
  ) throws(CheckpointError) -> ChosenPart {
    guard let part = PartNumber(number, of: count) else {
      throw Self.refusal(
        "\(origin)=\(variables[origin] ?? "") is none of \(counted(count, "part"))",
        "start as many tasks as there are parts, or write the part: --part 1/\(count)")
    }
    return ChosenPart(part: part, origin: origin, arrayStart: arrayStart)
  }

  private static func refusal(_ message: String, _ hint: String) -> CheckpointError {
    CheckpointError(.usage, "--part: \(message)", hint: hint)
  }
}
