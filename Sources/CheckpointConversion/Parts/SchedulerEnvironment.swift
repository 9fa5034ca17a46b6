import TensorModel

/// What schedulers tell a process of its place among others, by the variables that they set.
struct SchedulerEnvironment {
  private let variables: SchedulerVariables
  /// What stands with the parts: how many there are, and with which number the array began.
  private let known: (count: Int, arrayStart: Int?)?

  /// The variables of tasks whose scheduler doesn't say how many there are, with what is added to count from 1.
  private static let numbersAlone = [
    ("JOB_COMPLETION_INDEX", 1), ("PBS_ARRAY_INDEX", 0), ("SGE_TASK_ID", 0), ("LSB_JOBINDEX", 0),
  ]

  /// Looks at variables.
  init(_ variables: [String: String], known: (count: Int, arrayStart: Int?)?) {
    self.variables = SchedulerVariables(variables)
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

  // MARK: Both

  private func part() throws(CheckpointError) -> ChosenPart {
    if let array = SlurmArray(variables) { return try part(array) }
    if let rank = try rank() { return try chosen(rank.number + 1, of: rank.count, rank.name) }
    if let (name, _) = Self.numbersAlone.first(where: { variables.number($0.0) != nil }) {
      throw Self.refusal(
        "\(name) says the number of this part, and nothing says how many there are",
        "say how many: --part auto/N")
    }
    throw Self.refusal(
      "no scheduler says which part this is",
      "write it, such as --part 1/8; --part auto is for job arrays of Slurm, and for processes that were started by srun, mpirun or torchrun"
    )
  }

  private func part(_ array: SlurmArray) throws(CheckpointError) -> ChosenPart {
    try refuseTasks(in: array, count: nil)
    if let known {
      let isOfAll = array.isWhole && array.count == known.count
      guard let start = known.arrayStart ?? (isOfAll ? array.least : nil) else {
        throw Self.refusal(
          "there are \(known.count) parts, and nothing says whether this array counts from 0 or from 1",
          array.hint(partCount: "\(known.count)"))
      }
      return try chosen(array.id - start + 1, of: known.count, SlurmArray.name, start)
    }
    guard array.isWhole, let least = array.least, let count = array.count else {
      throw Self.refusal(
        "these are some tasks of an array, which doesn't say how many there are in all",
        array.hint(partCount: nil))
    }
    return try chosen(array.id - least + 1, of: count, SlurmArray.name, least)
  }

  /// Refuses several processes in one task of an array: which of them does which part can be counted in several ways.
  private func refuseTasks(in array: SlurmArray, count: Int?) throws(CheckpointError) {
    guard let rank = variables.ranks.first else { return }
    let start = known?.arrayStart ?? (array.isWhole ? array.least : nil)
    let all = count ?? known?.count ?? (array.isWhole ? array.count.map { $0 * rank.count } : nil)
    let number =
      "\(array.place(from: start, times: rank.count)) + \(rank.name) + 1"
    var hint =
      "write it where each task starts: \(rank.starter) sh -c 'exec weighbridge … --part \"$((\(number)))/\(all.map(String.init) ?? "N")\"'"
    if all == nil { hint += ", N being the number of array tasks times \(rank.count)" }
    if start == nil && array.least != 0 { hint += ", FIRST the first number of the whole array" }
    var error = Self.refusal(
      "there are \(rank.count) tasks in each task of an array, which can be counted in several ways",
      hint)
    error.hintLines = [
      "for one part in each task of the array, done by one process: \(array.hint(partCount: count.map(String.init)))"
    ]
    throw error
  }

  // MARK: The number alone

  private func part(of count: Int) throws(CheckpointError) -> ChosenPart {
    if let array = SlurmArray(variables) {
      try refuseTasks(in: array, count: count)
      return try chosen(array.id, of: count, SlurmArray.name)
    }
    if let rank = try rank() {
      guard rank.count == count else {
        throw Self.refusal(
          "\(rank.name) is one of \(rank.count), not of \(count)",
          "leave the number out: --part auto, or start \(count) processes")
      }
      return try chosen(rank.number + 1, of: count, rank.name)
    }
    for (name, added) in Self.numbersAlone {
      if let number = variables.number(name) { return try chosen(number + added, of: count, name) }
    }
    throw Self.refusal(
      "no scheduler says which part this is", "write it, such as --part 1/\(count)")
  }

  // MARK: Ranks

  /// The place among several processes; nil where nothing says one.
  ///
  /// - Throws: `usage` where what started them says different places, or nothing but a batch script's does.
  private func rank() throws(CheckpointError) -> SchedulerVariables.Rank? {
    let ranks = variables.ranks
    guard let first = ranks.first else { return variables.singleRank }
    if first.isOfBatchScript {
      let others = ranks.dropFirst()
      throw Self.refusal(
        "\(first.name) is a batch script's, for which \(first.count) tasks are set aside: every process would be part 1",
        others.isEmpty
          ? "start one process for each task: srun weighbridge … --part auto; or write the parts, 1 to \(first.count): --part 1/\(first.count)"
          : "write it where each process starts: \(Self.commands(others))")
    }
    guard ranks.allSatisfy({ ($0.number, $0.count) == (first.number, first.count) }) else {
      let places = ranks.map { "\($0.number + 1)/\($0.count) (\($0.name))" }
      throw Self.refusal(
        "this could be part \(places.joined(separator: " or "))",
        "write which one it is where each process starts: \(Self.commands(ranks[...]))")
    }
    return first
  }

  private static func commands(_ ranks: ArraySlice<SchedulerVariables.Rank>) -> String {
    ranks.map {
      "\($0.starter) sh -c 'exec weighbridge … --part \"$((\($0.name) + 1))/\($0.count)\"'"
    }.joined(separator: ", or ")
  }

  // MARK: Results

  private func chosen(
    _ number: Int, of count: Int, _ origin: String, _ arrayStart: Int? = nil
  ) throws(CheckpointError) -> ChosenPart {
    guard let part = PartNumber(number, of: count) else {
      let found = variables.number(origin) ?? 0
      throw Self.refusal(
        "\(origin)=\(found) is none of \(counted(count, "part"))",
        found == 0
          ? "where tasks are counted from 0, write: --part \"$((\(origin) + 1))/\(count)\""
          : "start as many tasks as there are parts, or say how many there are: --part auto/N")
    }
    return ChosenPart(part: part, origin: origin, arrayStart: arrayStart)
  }

  private static func refusal(_ message: String, _ hint: String) -> CheckpointError {
    CheckpointError(.usage, "--part: \(message)", hint: hint)
  }
}
