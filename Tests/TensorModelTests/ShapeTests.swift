import Foundation
import TensorModel
import Testing

@Suite struct ShapeTests {
  @Test(arguments: [
    ([], 1), ([7], 7), ([2, 3, 4], 24), ([0], 0), ([5, 0, 7], 0), ([Int.max], Int.max),
    ([Int.max, 0], 0), (Array(repeating: 1, count: 32), 1),
  ])
  func countsElements(_ dimensions: [Int], _ count: Int) throws {
    let shape = try Shape(checking: dimensions)
    #expect(shape.elementCount == count)
    #expect(shape.rank == dimensions.count)
    #expect(shape.dimensions == dimensions)
  }

  @Test(arguments: [
    [-1], [2, -3], [-2, -2], [0, -1], [Int.max, 2], [1 << 32, 1 << 31], [1 << 62, 4, 0],
    [0, 1 << 62, 4], [3, 0, Int.max], [Int.min], Array(repeating: 1, count: 33),
    Array(repeating: 0, count: 33),
  ])
  func refusesImpossibleShapes(_ dimensions: [Int]) {
    let error = #expect(throws: CheckpointError.self) { try Shape(checking: dimensions) }
    #expect(error?.code == .malformed)
    #expect(error?.found != nil)
  }

  @Test func isPrintedForPeopleAndForTheRoot() {
    #expect(Shape([2, 3]).description == "[2, 3]")
    #expect(Shape([2, 3]).canonicalText == "[2,3]")
    #expect(Shape([]).description == "[]")
    #expect(Shape([]).canonicalText == "[]")
  }

  @Test func isEncodedAsAnArrayAndCheckedWhenDecoded() throws {
    let encoded = try JSONEncoder().encode(Shape([2, 0]))
    #expect(String(decoding: encoded, as: UTF8.self) == "[2,0]")
    #expect(try JSONDecoder().decode(Shape.self, from: encoded) == [2, 0])
    #expect(throws: CheckpointError.self) {
      try JSONDecoder().decode(Shape.self, from: Data("[2,-1]".utf8))
    }
  }

  @Test(arguments: [[0, Int.max], [Int.max, 0], [0, 1 << 60], [1 << 30, 0, 1 << 30]])
  func refusesEmptyTensorsWhoseRowsOverflow(_ dimensions: [Int]) throws {
    let shape = try Shape(checking: dimensions)
    #expect(throws: CheckpointError.self) {
      try TensorInfo(name: "t", dtype: .f16, shape: shape, file: "f")
    }
  }

  @Test func refusesTensorsThatDoNotFillWholeBytes() throws {
    let error = #expect(throws: CheckpointError.self) {
      try TensorInfo(name: "t", dtype: .f4, shape: [3], file: "f")
    }
    #expect(error?.tensor == "t" && error?.file == "f" && error?.found == "F4 [3]")
    #expect(throws: CheckpointError.self) {
      try TensorInfo(name: "t", dtype: .f64, shape: Shape(checking: [1 << 61]), file: "f")
    }
    #expect(try TensorInfo(name: "t", dtype: .f6e3m2, shape: [2, 2], file: "f").byteCount == 3)
  }
}
