import TensorModel
import Testing

/// Parts of expressions, taken where they are stored.
@Suite struct ExpressionPartsTests {
  private static let parts = (0..<4).map { TensorExpression.stored("s\($0)") }
  private static let columns = TensorExpression.concatenate(parts, axis: 1)
  private static let whole = TensorExpression.stored("w")

  private static func type(_ name: String) -> TensorType? {
    TensorType(.f32, name == "w" ? [6, 8] : [6, 2])
  }

  @Test(arguments: [
    (whole, 0, 0..<6, "w"), (whole, 0, 2..<4, "slice(w, axis 0, 2..<4)"),
    (whole, 1, 0..<8, "w"), (whole, 1, 4..<8, "slice(w, axis 1, 4..<8)"),
    (.transpose(whole), 0, 4..<8, "transpose(slice(w, axis 1, 4..<8))"),
    (.transpose(whole), 1, 0..<6, "transpose(w)"),
    (.transpose(.transpose(whole)), 1, 4..<8, "slice(w, axis 1, 4..<8)"),
    (columns, 1, 2..<4, "s1"), (columns, 1, 4..<5, "slice(s2, axis 1, 0..<1)"),
    (columns, 1, 0..<4, "concatenate(axis 1, s{0…1})"),
    (columns, 1, 1..<8, "concatenate(axis 1, slice(s0, axis 1, 1..<2), s1, s2, s3)"),
    (columns, 1, 3..<3, "slice(concatenate(axis 1, s{0…3}), axis 1, 3..<3)"),
    (columns, 0, 1..<3, "slice(concatenate(axis 1, s{0…3}), axis 0, 1..<3)"),
    (.transpose(columns), 0, 6..<8, "transpose(s3)"),
    (.squeeze(.stored("line")), 0, 2..<5, "squeeze(slice(line, axis 1, 2..<5))"),
    (.squeeze(.stored("line")), 0, 0..<8, "squeeze(line)"),
    (.addRow(whole, row: .stored("r")), 0, 0..<3, "slice(addRow(w, r), axis 0, 0..<3)"),
  ])
  func areTakenFromAsFewTensorsAsPossible(
    _ expression: TensorExpression, _ axis: Int, _ range: Range<Int>, _ text: String
  ) throws {
    func stored(_ name: String) -> TensorType? {
      switch name {
      case "r": TensorType(.f32, [8])
      case "line": TensorType(.f32, [1, 8])
      default: Self.type(name)
      }
    }
    let part = try expression.sliced(axis: axis, range: range, stored: stored)
    #expect(part.description == text)
    var shape = try expression.type(stored: stored).shape.dimensions
    shape[axis] = range.count
    #expect(try part.type(stored: stored).shape.dimensions == shape)
  }

  @Test func transposingTwiceIsNothing() {
    #expect(Self.whole.transposed == .transpose(Self.whole))
    #expect(Self.whole.transposed.transposed == Self.whole)
  }
}
