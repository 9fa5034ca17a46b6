import FileContainers
import Synchronization
import TensorModel
import Testing

@Suite struct ParallelPiecesTests {
  private final class Counted: Sendable {
    static let living = Atomic(0)
    let number: Int

    init(_ number: Int) {
      self.number = number
      Self.living.add(1, ordering: .relaxed)
    }
    deinit { Self.living.subtract(1, ordering: .relaxed) }
  }

  private func failure(_ piece: Int) -> CheckpointError {
    CheckpointError(.corrupt, "piece \(piece)", hint: "none")
  }

  @Test func resultsAreInOrder() throws {
    let squares = try ParallelPieces.map(100) { $0 * $0 }
    #expect(squares == (0..<100).map { $0 * $0 })
    #expect(try ParallelPieces.map(0) { $0 } == [])
    #expect(try ParallelPieces.map(3, isSmall: true) { $0 } == [0, 1, 2])
    #expect(ParallelPieces.runs(of: 5, 2) == [0..<2, 2..<4, 4..<5])
  }

  @Test func theErrorOfTheFirstPieceCounts() {
    for _ in 0..<50 {
      let error = #expect(throws: CheckpointError.self) {
        try ParallelPieces.map(40) { (piece) throws(CheckpointError) in
          if piece >= 7 { throw failure(piece) }
        }
      }
      #expect(error?.message == "piece 7")
    }
  }

  @Test func elementsAreMadeInPlaceOrNotAtAll() throws {
    do {
      let elements = try ParallelPieces.elements(1000, 64) { (run, take) in
        for place in run { take(Counted(place)) }
      }
      #expect(elements.map(\.number) == Array(0..<1000))
    }
    #expect(Counted.living.load(ordering: .relaxed) == 0)
    let error = #expect(throws: CheckpointError.self) {
      _ = try ParallelPieces.elements(1000, 64) { (run, take) throws(CheckpointError) in
        for place in run {
          if place == 500 { throw failure(place) }
          take(Counted(place))
        }
      }
    }
    #expect(error?.message == "piece 500")
    #expect(Counted.living.load(ordering: .relaxed) == 0)
  }
}
