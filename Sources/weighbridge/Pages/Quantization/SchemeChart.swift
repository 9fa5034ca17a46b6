import TensorModel

/// A cost of schemes against their sizes, both on logarithmic axes: a curve for each container, in pixels.
struct SchemeChart {
  /// A scheme.
  struct Point {
    let name: String
    /// The container.
    let series: String
    let byteCount: Int
    let value: Double
  }

  /// A mark of a scheme.
  struct Mark {
    let style: SeriesStyle
    let x: String
    let y: String
    let text: String
    /// A ring around it, where it is what the page is about.
    let ring: Ring?
  }

  /// A circle.
  struct Ring {
    let x: String
    let y: String
  }

  /// What joins the schemes of a container, the smallest first.
  struct Curve {
    let style: SeriesStyle
    let points: String
  }

  let title: String
  let yName: String
  let curves: [Curve]
  let marks: [Mark]
  let legend: [SeriesStyle]
  let xTicks: [Tick]
  let yTicks: [Tick]

  /// Width and height of a mark.
  private static let markSize = 11.0
  // The template's picture is 720 wide and 360 high.
  private static let (left, right, top, bottom) = (64.0, 704.0, 16.0, 316.0)

  /// A chart; nil without a number to show.
  ///
  /// - Parameters:
  ///   - title: above it.
  ///   - yName: what the numbers are.
  ///   - points: of schemes; what isn't finite is left out.
  ///   - styles: of containers, by their names.
  ///   - marked: the series that the page is about; nil where it is about all.
  init?(
    title: String, yName: String, _ points: [Point], _ styles: [SeriesStyle],
    marked: String? = nil
  ) {
    let points = points.filter { $0.value.isFinite && $0.value >= 0 }
    guard !points.isEmpty else { return nil }
    self.title = title
    self.yName = yName
    let x = LogarithmicAxis(points.map { Double($0.byteCount) }, from: Self.left, to: Self.right)
    let y = LogarithmicAxis(points.map(\.value), from: Self.bottom, to: Self.top)
    xTicks = x.ticks.map { tick in
      Tick(at: tick.at, label: Double(tick.label).map { humanSize(Int($0)) } ?? tick.label)
    }
    yTicks = y.ticks
    var (curves, marks, legend) = ([Curve](), [Mark](), [SeriesStyle]())
    for style in styles {
      let own = points.filter { $0.series == style.name }.sorted {
        ($0.byteCount, $0.name) < ($1.byteCount, $1.name)
      }
      guard !own.isEmpty else { continue }
      legend.append(style)
      let places = own.map { point in
        (x: x.position(Double(point.byteCount)), y: y.position(point.value))
      }
      curves.append(
        Curve(
          style: style,
          points: places.map { "\(pixels($0.x)),\(pixels($0.y))" }.joined(separator: " ")))
      marks += zip(own, places).map { point, place in
        Mark(
          style: style, x: pixels(place.x - Self.markSize / 2),
          y: pixels(place.y - Self.markSize / 2),
          text: "\(point.name): \(humanSize(point.byteCount)), \(threeDigits(point.value))",
          ring: style.name == marked ? Ring(x: pixels(place.x), y: pixels(place.y)) : nil)
      }
    }
    (self.curves, self.marks, self.legend) = (curves, marks, legend)
  }
}
