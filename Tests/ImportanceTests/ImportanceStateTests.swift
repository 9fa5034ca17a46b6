import FileContainers
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

@testable import Importance

/// Unfinished work, as a run has kept it and as somebody may have changed it.
struct ImportanceStateTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private let plan = Digest(of: [1, 2, 3])

  private func sums(_ count: Int) -> ColumnSquares.Sums {
    .init(squares: (0..<count).map { 0.1 * Double($0) }, rowCount: 7)
  }

  private func configuration(_ model: String) throws -> DecoderConfiguration {
    try DecoderConfiguration(
      HuggingFaceConfiguration(parsing: Fixtures.bytes("huggingface/\(model)/config.json")))
  }

  @Test func comesBackBitForBit() throws {
    let path = workspace.path(".m.gguf.partial")
    let kept: [DecoderPlace: ColumnSquares.Sums] = [
      DecoderPlace(.weight(.query), 1): sums(5), DecoderPlace(.weight(.head)): sums(3),
      DecoderPlace(.weight(.expertDown), 0, 2): sums(4),
    ]
    try ImportanceState(windowCount: 4, kept).write(to: path, plan: plan, besides: ReadFiles())
    let state = try ImportanceState(path: path, plan: plan, windowCount: 9)
    #expect(state.windowCount == 4)
    #expect(state.sums.mapValues(\.squares) == kept.mapValues(\.squares))
    #expect(state.sums.values.allSatisfy { $0.rowCount == 7 })
    for (other, count) in [(Digest(of: [4]), 9), (plan, 3)] {
      let error = #expect(throws: CheckpointError.self) {
        try ImportanceState(path: path, plan: other, windowCount: count)
      }
      #expect(error?.code == .conflict)
    }
  }

  @Test func placesThatTheModelDoesNotHaveAreRefused() throws {
    let (dense, mixture) = (try configuration("gptj"), try configuration("mixtral"))
    let cases: [(DecoderConfiguration, DecoderPlace)] = [
      (dense, DecoderPlace(.weight(.query), 99)), (dense, DecoderPlace(.weight(.query), -1)),
      (dense, DecoderPlace(.weight(.query), 0, 0)),
      (dense, DecoderPlace(.weight(.expertDown), 0, 0)),
      (mixture, DecoderPlace(.weight(.expertDown), 0, 4)),
      (mixture, DecoderPlace(.weight(.expertDown), 0)),
    ]
    for (configuration, place) in cases {
      let squares = ColumnSquares(threads: 1, includesHead: true)
      #expect(throws: CheckpointError.self) {
        try squares.restore([place: sums(3)], configuration)
      }
    }
    let squares = ColumnSquares(threads: 1, includesHead: true)
    try squares.restore([DecoderPlace(.weight(.expertDown), 0, 3): sums(3)], mixture)
  }

  @Test func sumsOfAnotherWidthAreRefused() throws {
    let squares = ColumnSquares(threads: 2, includesHead: true)
    let place = DecoderPlace(.weight(.query), 0)
    try squares.restore([place: sums(3)], configuration("gptj"))
    let x: [Float] = [1, 2, 3, 4]
    #expect(throws: CheckpointError.self) {
      try squares.willApply(place, to: x, rows: 1, columns: 4)
    }
  }

  @Test func squaresAreAddedUpColumnByColumn() throws {
    let squares = ColumnSquares(threads: 3, includesHead: false)
    let place = DecoderPlace(.weight(.down), 1)
    let x = (0..<2600).map { Float($0 % 13) - 6 }
    try squares.willApply(place, to: x, rows: 2, columns: 1300)
    try squares.willApply(place, to: Array(x[1300...]), rows: 1, columns: 1300)
    try squares.willApply(DecoderPlace(.weight(.head)), to: x, rows: 2, columns: 1300)
    let expected = (0..<1300).map { column -> Double in
      let (first, second) = (Double(x[column]), Double(x[1300 + column]))
      return first * first + 2 * second * second
    }
    #expect(squares.sums.keys.map { $0 } == [place])
    #expect(squares.sums[place]?.squares == expected && squares.sums[place]?.rowCount == 3)
  }
}
