/// Numbers that schedulers put into the environment of processes.
struct SchedulerVariables {
  private let variables: [String: String]

  /// A place among several processes, counted from 0.
  struct Rank {
    /// The variable that says it.
    let name: String
    let number: Int
    let count: Int
    /// What starts such processes.
    let starter: String
    /// Whether it is only that of a batch script, in whose allocation no tasks were started.
    let isOfBatchScript: Bool
  }

  /// The variables for a place and for how many there are, and what sets them.
  private static let names = [
    ("SLURM_PROCID", "SLURM_NTASKS", "srun"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "mpirun"),
    ("PMI_RANK", "PMI_SIZE", "mpirun"),
    ("RANK", "WORLD_SIZE", "torchrun --no-python"),
  ]
  /// Steps that Slurm gives such numbers are no tasks of srun: batch scripts, interactive shells.
  private static let firstSpecialStep = 0xffff_fff0

  init(_ variables: [String: String]) { self.variables = variables }

  /// A number, or nil for anything else.
  func number(_ name: String) -> Int? {
    guard let text = variables[name], !text.isEmpty, text.allSatisfy(\.isDecimalDigit) else {
      return nil
    }
    return Int(text)
  }

  /// All places among several, Slurm's first.
  var ranks: [Rank] { pairs.filter { $0.count > 1 } }

  /// The place of a process that is the only one; Slurm says it in batch scripts, too, and doesn't count.
  var singleRank: Rank? { pairs.first { $0.count == 1 && $0.name != Self.names[0].0 } }

  private var pairs: [Rank] {
    Self.names.compactMap { name, size, starter in
      guard let number = number(name), let count = self.number(size) else { return nil }
      let isStep = self.number("SLURM_STEP_ID").map { $0 < Self.firstSpecialStep } ?? false
      return Rank(
        name: name, number: number, count: count, starter: starter,
        isOfBatchScript: name == Self.names[0].0 && number == 0 && !isStep)
    }
  }
}

/// A job array of Slurm's, as its tasks see it.
struct SlurmArray {
  static let name = "SLURM_ARRAY_TASK_ID"

  /// The number of this task.
  let id: Int
  /// The least of all numbers that were submitted.
  let least: Int?
  /// How many were.
  let count: Int?
  private let most: Int?
  private let step: Int?

  /// Nil where there is none.
  init?(_ variables: SchedulerVariables) {
    guard let id = variables.number(Self.name) else { return nil }
    self.id = id
    least = variables.number("SLURM_ARRAY_TASK_MIN")
    most = variables.number("SLURM_ARRAY_TASK_MAX")
    step = variables.number("SLURM_ARRAY_TASK_STEP")
    count = variables.number("SLURM_ARRAY_TASK_COUNT")
  }

  /// Whether it is all numbers from 0 or 1.
  var isWhole: Bool { step == 1 && (0...1).contains(least ?? -1) && evenCount == count }

  /// How many numbers there would be in even steps; nil where that isn't told.
  private var evenCount: Int? {
    guard let least, let most, let step, step > 0, most >= least, count != nil else { return nil }
    return (most - least) / step + 1
  }

  /// What a shell is to compute for the place of a task, from 0, times something.
  func place(from start: Int?, times factor: Int) -> String {
    switch start ?? (least == 0 ? 0 : nil) {
    case 0: "\(Self.name) * \(factor)"
    case let start?: "(\(Self.name) - \(start)) * \(factor)"
    case nil: "(\(Self.name) - FIRST) * \(factor)"
    }
  }

  /// The `--part` to write in a script of such an array.
  ///
  /// - Parameter partCount: how many parts there are; nil where only the array could tell.
  /// - Returns: `write it: --part …`, with what it depends on.
  func hint(partCount: String?) -> String {
    let (fromZero, fromOne) = ("$((\(Self.name) + 1))", "$\(Self.name)")
    if partCount == nil, isWhole, let least, let count {
      return "write it: --part \"\(least == 0 ? fromZero : fromOne)/\(count)\""
    }
    if partCount == nil, let least, let step, step > 1, let count, evenCount == count {
      let place = least == 0 ? Self.name : "(\(Self.name) - \(least))"
      return
        "write it, where these are all tasks: --part \"$((\(place) / \(step) + 1))/\(count)\"; else with the number of all parts: \(ways(fromZero, fromOne, "N"))"
    }
    let all = partCount ?? "N"
    return
      "write it\(partCount == nil ? ", with the number of all parts" : ""): \(ways(fromZero, fromOne, all))"
  }

  private func ways(_ fromZero: String, _ fromOne: String, _ count: String) -> String {
    let zero = "--part \"\(fromZero)/\(count)\" for an array from 0"
    return least == 0 ? zero : "--part \"\(fromOne)/\(count)\" for an array from 1, \(zero)"
  }
}
