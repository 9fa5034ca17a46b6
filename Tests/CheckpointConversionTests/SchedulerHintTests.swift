import Foundation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// What is refused because it can be counted in several ways: the `--part` of the hint, run by a shell as it is written, gives every process a part of
/// its own.
@Suite struct SchedulerHintTests {
  private static func array(
    _ id: Int, _ numbers: [Int], step: Int = 1, tasks: Int = 1
  ) -> [String: String] {
    var variables = [
      "SLURM_ARRAY_TASK_ID": "\(id)", "SLURM_ARRAY_TASK_MIN": "\(numbers.min() ?? 0)",
      "SLURM_ARRAY_TASK_MAX": "\(numbers.max() ?? 0)", "SLURM_ARRAY_TASK_STEP": "\(step)",
      "SLURM_ARRAY_TASK_COUNT": "\(numbers.count)",
    ]
    if tasks > 1 { variables["SLURM_NTASKS"] = "\(tasks)" }
    return variables
  }

  private func hint(
    _ variables: [String: String], _ text: String = "auto", known: (Int, Int?)? = nil
  ) throws -> [String] {
    let environment = SchedulerEnvironment(
      variables, known: known.map { (count: $0.0, arrayStart: $0.1) })
    let choice = try #require(PartChoice(text))
    let error = #expect(throws: CheckpointError.self) { try environment.part(choice) }
    #expect(error?.code == .usage)
    return [error?.hint ?? ""] + (error?.hintLines ?? [])
  }

  /// What the words after `--part` in a hint come to for a process.
  private func part(_ hint: String, _ variables: [String: String]) throws -> String {
    let words = try #require(hint.firstMatch(of: /--part ("[^"]+")/)?.1)
    let shell = Process()
    shell.executableURL = URL(filePath: "/bin/sh")
    shell.arguments = ["-c", "printf %s \(words)"]
    shell.environment = variables
    let pipe = Pipe()
    shell.standardOutput = pipe
    try shell.run()
    let text = try pipe.fileHandleForReading.readToEnd() ?? Data()
    shell.waitUntilExit()
    return String(decoding: text, as: UTF8.self)
  }

  @Test(arguments: [0, 1], ["auto", "auto/6"])
  func tasksWithinAnArrayGetPartsOfTheirOwn(_ least: Int, _ text: String) throws {
    let numbers = Array(least..<least + 3)
    var parts: [String] = []
    for id in numbers {
      for rank in 0..<2 {
        let variables = Self.array(id, numbers, tasks: 2).merging(["SLURM_PROCID": "\(rank)"]) {
          $1
        }
        let hint = try hint(variables, text)
        #expect(hint[0].contains("srun sh -c 'exec weighbridge … --part"))
        parts.append(try part(hint[0], variables))
      }
    }
    #expect(parts == (1...6).map { "\($0)/6" })
  }

  @Test func oneProcessInEachTaskOfAnArrayIsOfferedToo() throws {
    for least in 0...1 {
      let variables = Self.array(least + 1, [least, least + 1, least + 2], tasks: 2)
        .merging(["SLURM_PROCID": "0"]) { $1 }
      let lines = try hint(variables)
      #expect(try part(lines[1], variables) == "2/3")
    }
  }

  @Test func whatStandsWithThePartsIsInTheHint() throws {
    let variables = Self.array(7, [3, 7], tasks: 2).merging(["SLURM_PROCID": "1"]) { $1 }
    #expect(try part(try hint(variables, known: (32, 0))[0], variables) == "16/32")
    #expect(try hint(variables)[0].contains("FIRST"))
    let mpi = Self.array(2, [1, 2]).merging(
      ["OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "4"]) { $1 }
    #expect(try hint(mpi)[0].contains("mpirun sh -c"))
    #expect(try part(try hint(mpi)[0], mpi) == "6/8")
  }

  @Test func arraysInStepsAndFromZeroAreCountedRight() throws {
    let even = [0, 2, 4, 6]
    for (place, id) in even.enumerated() {
      let variables = Self.array(id, even, step: 2)
      #expect(try part(try hint(variables)[0], variables) == "\(place + 1)/4")
    }
    let odd = Self.array(5, [1, 3, 5], step: 2)
    #expect(try part(try hint(odd)[0], odd) == "3/3")
    // A part 0 is none.
    let zero = Self.array(0, [0, 2], step: 1)
    #expect(try part(try hint(zero)[0].replacing("/N", with: "/9"), zero) == "1/9")
    #expect(try !hint(zero)[0].contains("from 1"))
    let first = Self.array(0, [0, 1, 2, 3])
    #expect(try part(try hint(first, "auto/4")[0], first) == "1/4")
    let pbs = ["PBS_ARRAY_INDEX": "0"]
    #expect(try part(try hint(pbs, "auto/4")[0], pbs) == "1/4")
    #expect(try hint(["JOB_COMPLETION_INDEX": "4"], "auto/4")[0].contains("--part auto/N"))
  }

  // MARK: Ranks

  /// The variables of a batch script that several tasks are set aside for.
  private static let batch = ["SLURM_PROCID": "0", "SLURM_NTASKS": "4"]

  @Test(arguments: ["auto", "auto/4"])
  func aBatchScriptsRankIsNone(_ text: String) throws {
    #expect(try hint(Self.batch, text)[0].contains("srun weighbridge"))
    for step in ["4294967291", "4294967290"] {
      _ = try hint(Self.batch.merging(["SLURM_STEP_ID": step]) { $1 }, text)
    }
    // Tasks of srun's.
    for (rank, step) in [(0, "0"), (3, "0"), (2, nil as String?)] {
      var variables = Self.batch.merging(["SLURM_PROCID": "\(rank)"]) { $1 }
      variables["SLURM_STEP_ID"] = step
      let chosen = try SchedulerEnvironment(variables, known: nil).part(
        try #require(PartChoice(text)))
      #expect(chosen.part.description == "\(rank + 1)/4")
    }
  }

  @Test func ranksOfMPIBesideABatchScriptsAreToBeWritten() throws {
    for rank in 0..<4 {
      let variables = Self.batch.merging(
        ["OMPI_COMM_WORLD_RANK": "\(rank)", "OMPI_COMM_WORLD_SIZE": "4"]) { $1 }
      let hint = try hint(variables)
      #expect(hint[0].contains("mpirun sh -c"))
      #expect(try part(hint[0], variables) == "\(rank + 1)/4")
    }
  }

  @Test func ranksThatDifferAreAmbiguous() throws {
    let daemons = [
      "SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_STEP_ID": "0",
      "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4",
    ]
    let hint = try hint(daemons)
    #expect(hint[0].contains("SLURM_PROCID + 1))/2") && hint[0].contains("RANK + 1))/4"))
    let same = daemons.merging(["SLURM_PROCID": "3", "SLURM_NTASKS": "4"]) { $1 }
    let chosen = try SchedulerEnvironment(same, known: nil).part(.automatic)
    #expect(chosen.text == "4/4 (SLURM_PROCID)")
    // A single process beside others' ranks says nothing.
    let single = ["RANK": "2", "WORLD_SIZE": "3", "PMI_RANK": "0", "PMI_SIZE": "1"]
    #expect(try SchedulerEnvironment(single, known: nil).part(.automatic).text == "3/3 (RANK)")
  }
}
