/// How the marks of a series look: a colour and a shape, so that either is enough to tell them apart.
struct SeriesStyle: Equatable {
  /// What the series is: a type of weights, a relation.
  let name: String
  /// The class that gives the colour.
  let color: String
  /// The id of the symbol in `marks.html`.
  let shape: String

  /// Circle, square, triangle, diamond, triangle on its tip, cross, bar.
  static let shapeCount = 7

  /// Styles for series, in their order.
  ///
  /// Seven shapes and eight colours come together again only after 56 series.
  static func assigned(_ names: [String]) -> [SeriesStyle] {
    names.enumerated().map { number, name in
      SeriesStyle(
        name: name, color: Palette.series[number % Palette.series.count].name,
        shape: "s\(number % shapeCount)")
    }
  }
}
