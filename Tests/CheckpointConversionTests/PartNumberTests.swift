import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Numbers of parts: how they are written, taken from schedulers, and spread over pieces.
@Suite struct PartNumberTests {
  @Test(arguments: [
    "", "0/3", "4/3", "-1/3", "x/3", "2", "2/", "/3", "1/2/3", "1/0", "+1/3", "1 /3",
    "1/100000", "99999999999999999999/3", "auto/", "auto/0", "auto/x", "auto/1/2",
  ]) func oddTextsAreNoParts(_ text: String) { #expect(PartChoice(text) == nil) }

  @Test func numbersAreWrittenAsSlurmWritesThem() {
    #expect(NumberRanges.text([]) == "")
    #expect(NumberRanges.text([3]) == "3")
    #expect(NumberRanges.text([2, 3, 7]) == "2-3,7")
    #expect(NumberRanges.text([1, 2, 3, 5, 8, 9]) == "1-3,5,8-9")
  }

  @Test func runsAreAsEvenAsTheyCanBe() {
    #expect(EvenRuns([1, 1, 1, 1]).runs(2) == [0..<2, 2..<4])
    #expect(EvenRuns([5, 1, 1, 1]).byteCounts(2) == [5, 3])
    #expect(EvenRuns([1, 1]).runs(4).map(\.count).reduce(0, +) == 2)
    #expect(EvenRuns([]).runs(3) == [0..<0, 0..<0, 0..<0])
    var random = FixedRandom(seed: 1)
    for _ in 0..<200 {
      let sizes = (0..<Int.random(in: 1...9, using: &random)).map { _ in
        Int.random(in: 0...9, using: &random)
      }
      let count = Int.random(in: 1...5, using: &random)
      let runs = EvenRuns(sizes).runs(count)
      #expect(runs.count == count && runs.map(Array.init).joined().elementsEqual(sizes.indices))
      #expect(EvenRuns(sizes).byteCounts(count).max() == Self.smallest(sizes[...], count))
    }
  }

  /// The smallest possible largest sum, by trying all cuts.
  private static func smallest(_ sizes: ArraySlice<Int>, _ count: Int) -> Int {
    guard count > 1 else { return sizes.reduce(0, +) }
    return (sizes.startIndex...sizes.endIndex).map { cut in
      max(sizes[..<cut].reduce(0, +), smallest(sizes[cut...], count - 1))
    }.min() ?? 0
  }

  // MARK: Schedulers

  private static func array(
    _ id: Int, _ least: Int, _ most: Int, count: Int? = nil, step: Int = 1
  ) -> [String: String] {
    [
      "SLURM_ARRAY_TASK_ID": "\(id)", "SLURM_ARRAY_TASK_MIN": "\(least)",
      "SLURM_ARRAY_TASK_MAX": "\(most)", "SLURM_ARRAY_TASK_COUNT": "\(count ?? most - least + 1)",
      "SLURM_ARRAY_TASK_STEP": "\(step)",
    ]
  }

  /// What is told, what stands with the parts, and what that is; nil is refused.
  static let cases: [([String: String], String, (Int, Int?)?, String?)] = [
    (array(2, 1, 3), "auto", nil, "2/3"), (array(0, 0, 2), "auto", nil, "1/3"),
    (array(3, 3, 7, count: 2), "auto", nil, nil),
    (array(3, 3, 7, count: 2), "auto", (32, 1), "3/32"),
    (array(3, 3, 7, count: 2), "auto", (32, 0), "4/32"),
    // A rerun of two of 32 looks like a whole array of two.
    (array(1, 1, 2), "auto", (32, 1), "1/32"), (array(1, 1, 2), "auto", (32, nil), nil),
    (array(1, 1, 2), "auto", (2, nil), "1/2"), (array(33, 33, 33), "auto", (32, 1), nil),
    (array(1, 1, 7, count: 4, step: 2), "auto", nil, nil), (array(2, 2, 3), "auto", nil, nil),
    (array(3, 3, 3), "auto/3", nil, "3/3"), (array(0, 0, 2), "auto/3", nil, nil),
    (["SLURM_PROCID": "1", "SLURM_NTASKS": "3"], "auto", nil, "2/3"),
    (["SLURM_PROCID": "0", "SLURM_NTASKS": "1"], "auto", nil, nil),
    (["SLURM_PROCID": "0"], "auto", nil, nil),
    (
      array(3, 1, 3).merging(["SLURM_PROCID": "0", "SLURM_NTASKS": "1"]) { $1 }, "auto", nil, "3/3"
    ),
    (array(3, 1, 3).merging(["SLURM_PROCID": "0"]) { $1 }, "auto", nil, "3/3"),
    (array(1, 1, 3).merging(["SLURM_PROCID": "1", "SLURM_NTASKS": "2"]) { $1 }, "auto", nil, nil),
    (["OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "3"], "auto", nil, "1/3"),
    (["PMI_RANK": "2", "PMI_SIZE": "3"], "auto", nil, "3/3"),
    (["RANK": "2", "WORLD_SIZE": "3"], "auto", nil, "3/3"), (["RANK": "2"], "auto", nil, nil),
    (["RANK": "2", "WORLD_SIZE": "3"], "auto/4", nil, nil),
    (["JOB_COMPLETION_INDEX": "2"], "auto/3", nil, "3/3"),
    (["JOB_COMPLETION_INDEX": "3"], "auto/3", nil, nil),
    (["JOB_COMPLETION_INDEX": "1"], "auto", nil, nil),
    (["PBS_ARRAY_INDEX": "2"], "auto/3", nil, "2/3"), (["SGE_TASK_ID": "3"], "auto/3", nil, "3/3"),
    (["SGE_TASK_ID": "undefined"], "auto/3", nil, nil), ([:], "auto", nil, nil),
    ([:], "auto/3", nil, nil),
    (["RANK": "-1", "WORLD_SIZE": "3"], "auto", nil, nil), ([:], "2/3", nil, "2/3"),
  ]

  @Test(arguments: cases.indices) func schedulersTellThePartOrAreRefused(_ place: Int) throws {
    let (variables, text, known, expected) = Self.cases[place]
    let environment = SchedulerEnvironment(
      variables, known: known.map { (count: $0.0, arrayStart: $0.1) })
    let choice = try #require(PartChoice(text))
    guard let expected else {
      let error = #expect(throws: CheckpointError.self) { try environment.part(choice) }
      #expect(error?.code == .usage)
      #expect(error?.hint != nil && error?.message.contains("--part") == true)
      return
    }
    let chosen = try environment.part(choice)
    #expect(chosen.part.description == expected)
    #expect(chosen.origin.map { variables[$0] != nil } ?? (text == expected))
  }
}
