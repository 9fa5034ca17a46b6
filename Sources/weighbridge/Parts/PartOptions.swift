import ArgumentParser
import CheckpointConversion
import TensorModel

/// What commands take whose work can be divided: which part to do, or who is to do all of them.
struct PartOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Do part I of N, such as 3/32; weighbridge merge makes the result of all parts. auto takes both from Slurm, srun, mpirun or torchrun, auto/N the number alone from a scheduler that doesn't say how many there are (Kubernetes, PBS, Grid Engine).",
      valueName: "i/n"), transform: PartArgument.init(parsing:))
  var part: PartArgument?

  @Option(
    help: ArgumentHelp(
      "Submit N parts as an array of jobs, and a job that merges them: slurm:N, or slurm:N%M for at most M at a time. With --dry-run the scripts are printed.",
      valueName: "slurm:n"))
  var submit: SubmitArgument?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "With --submit: options for sbatch, in one argument, such as \"--partition=cpu --time=2:00:00\".",
      valueName: "options"))
  var sbatch: String?

  /// Whether the work is divided.
  var areGiven: Bool { part != nil || submit != nil }

  /// Refuses what doesn't go together.
  func check() throws {
    if part != nil && submit != nil {
      throw ValidationError("Give --part, for one part, or --submit, for all of them, not both.")
    }
    if sbatch != nil && submit == nil { throw ValidationError("--sbatch needs --submit.") }
    if let sbatch, sbatch.contains(where: \.isNewline) {
      throw ValidationError("--sbatch must be one line.")
    }
  }

  /// What is to be submitted; nil if nothing is.
  ///
  /// - Parameters:
  ///   - destination: as the user has named it.
  ///   - shared: memory and threads.
  ///   - options: of the destination.
  ///   - merging: options that are for the merge.
  /// - Returns: the submission.
  /// - Throws: `usage` for options that no part could heed.
  func submission(
    _ destination: String, _ shared: SharedOptions, _ options: DestinationOptions,
    forMerge merging: [String] = []
  ) throws(CheckpointError) -> SlurmSubmission? {
    guard let submit else { return nil }
    return try SlurmSubmission(
      submit, sbatch, destination: destination, shared, options, forMerge: merging)
  }
}

/// What `--part` takes.
struct PartArgument {
  let choice: PartChoice

  /// - Throws: what is wrong with the text.
  init(parsing text: String) throws {
    guard let choice = PartChoice(text) else { throw ValidationError(Self.obstacle(text)) }
    self.choice = choice
  }

  private static func obstacle(_ text: String) -> String {
    if let match = text.wholeMatch(of: /[0-9]+\/([0-9]+)/) {
      guard let count = Int(match.1), PartNumber(1, of: count) != nil else {
        return "There are 1 to \(PartNumber.maximumCount) parts."
      }
      return "The parts are 1/\(count) to \(count)/\(count)."
    }
    return
      "Write the part and the number of parts, such as 3/32, or auto or auto/32 where a scheduler counts."
  }
}

/// What `--submit` takes.
struct SubmitArgument: ExpressibleByArgument {
  /// How many parts.
  let count: Int
  /// How many at a time; nil for as many as there is room for.
  let limit: Int?

  init?(argument: String) {
    guard let match = argument.wholeMatch(of: /slurm:([0-9]{1,5})(%([0-9]{1,5}))?/),
      let count = Int(match.1), PartNumber(1, of: count) != nil
    else { return nil }
    limit = match.3.flatMap { Int($0) }
    guard limit ?? 1 > 0 else { return nil }
    self.count = count
  }
}
