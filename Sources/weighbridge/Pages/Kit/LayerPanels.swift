import ModelArchitectures
import TensorModel

/// Small charts of one scale, one for each kind of tensor, and one for what is in no layer: layers from left to right, numbers upwards.
///
/// Horizontal places are percent of a chart's width and marks shrink with it, so that marks keep apart at every width. Each chart has a slot for each layer, and a
/// slot has one mark: where several tensors fall into it (experts, or more layers than slots) their median, with a line from the smallest to the largest.
struct LayerPanels {
  /// A tensor that the charts show.
  struct Value {
    let place: WeightPlace
    let number: Double
    /// The place of its style in the list of these.
    let series: Int
    /// What is said about it.
    let text: String
    /// Whether it is marked as standing apart.
    var isOutlier = false
  }

  /// The tensors of a kind.
  struct Panel {
    let title: String
    /// What the chart shows, in words.
    let summary: String
    let marks: [Mark]
    let ticks: [Tick]
    /// What stands below the axis where no labels do.
    let note: String?
  }

  /// One tensor, or several in the same place; lines stay within its slot.
  struct Mark {
    /// The left edge and the width in percent, the upper edge and the height in pixels.
    let x: String
    let width: String
    let y: String
    let height = LayerPanels.markHeight
    let color: String
    let shape: String
    let text: String
    let isOutlier: Bool
    /// From the smallest to the largest of several numbers.
    let whisker: Line?
    /// From an outlier to the axis: it shows where marks are small.
    let stem: Line?
  }

  /// An upright line.
  struct Line {
    let x: String
    let top: String
    let bottom: String
  }

  let panels: [Panel]
  let numberTicks: [Tick]
  let styles: [SeriesStyle]
  let hasOutliers: Bool
  /// Where a limit is; nil where that is far off, or not given.
  let limit: Tick?
  /// The class that says how wide a chart must be at least.
  let density: String
  let height = 130
  let bottom = Int(Self.bottom)
  let ticksY = 124

  private static let top = 10.0
  private static let bottom = 106.0
  static let markHeight = 11
  private static let maximumSlotCount = 130
  private static let maximumPanelCount = 24
  /// Labels of numbers are at least so far from each other.
  private static let labelHeight = 15.0
  /// The narrowest chart has room for this many labels of layers.
  private static let layerLabelCount = 8
  /// The narrowest chart has room for this many names, of this length.
  private static let namedCount = 3
  private static let nameLength = 14

  /// Charts; nil if there is nothing to show.
  ///
  /// - Parameters:
  ///   - values: in the order of the file.
  ///   - styles: of the series.
  ///   - shown: the places of the series that have values, for the legend.
  ///   - limit: what numbers may be at most, and the option that says it; nil is no limit.
  init?(
    _ values: [Value], _ styles: [SeriesStyle], shown: Set<Int>,
    limit: (name: String, number: Double)? = nil
  ) {
    let values = values.filter { $0.number.isFinite && $0.number >= 0 }
    guard !values.isEmpty else { return nil }
    self.styles = styles.indices.filter(shown.contains).map { styles[$0] }
    hasOutliers = values.contains(where: \.isOutlier)
    let numbers = values.map(\.number)
    // A limit far from all numbers would press them together.
    let largest = numbers.max() ?? 0
    let nearLimit = limit.flatMap {
      $0.number > 0 && $0.number < 3 * largest && $0.number > largest / 30 ? $0 : nil
    }
    let axis = LogarithmicAxis(
      numbers + (nearLimit.map { [$0.number] } ?? []), from: Self.bottom - 6, to: Self.top)
    numberTicks = Self.apart(axis.ticks)
    self.limit = nearLimit.map {
      Tick(at: pixels(axis.position($0.number)), label: "\($0.name) \(threeDigits($0.number))")
    }
    let layerCount = (values.compactMap(\.place.layer).max() ?? 0) + 1
    var panels = Self.kinds(values.filter { $0.place.layer != nil }).map { title, members in
      Self.panel(title, members.map { ($0.place.layer ?? 0, $0) }, layerCount, axis, styles, true)
    }
    let others = values.filter { $0.place.layer == nil }
    if !others.isEmpty {
      panels.append(
        Self.panel(
          "outside of layers", others.enumerated().map { ($0, $1) }, others.count, axis, styles,
          false))
    }
    self.panels = panels
    let slots = min(layerCount, Self.maximumSlotCount)
    density = slots <= 16 ? "few" : slots <= 40 ? "some" : "many"
  }

  /// Values by kind in their order; kinds beyond a number share the last chart.
  private static func kinds(_ values: [Value]) -> [(String, [Value])] {
    var order: [String] = []
    var members: [String: [Value]] = [:]
    for value in values {
      if members[value.place.kind] == nil { order.append(value.place.kind) }
      members[value.place.kind, default: []].append(value)
    }
    let isFull = order.count > maximumPanelCount
    let named = isFull ? order.prefix(maximumPanelCount - 1) : order[...]
    var kinds = named.map { ($0, members[$0] ?? []) }
    if isFull {
      let rest = order.dropFirst(named.count)
      kinds.append((counted(rest.count, "other kind"), rest.flatMap { members[$0] ?? [] }))
    }
    return kinds
  }

  private static func panel(
    _ title: String, _ values: [(column: Int, value: Value)], _ columnCount: Int,
    _ axis: LogarithmicAxis, _ styles: [SeriesStyle], _ isLayered: Bool
  ) -> Panel {
    let columnsPerSlot = (columnCount + maximumSlotCount - 1) / maximumSlotCount
    let slotCount = (columnCount + columnsPerSlot - 1) / columnsPerSlot
    let slotWidth = 100 / Double(slotCount)
    let slots = Dictionary(grouping: values) { $0.column / columnsPerSlot }
    let marks = slots.sorted { $0.key < $1.key }.map { slot, members in
      mark(members.map(\.value), at: Double(slot) * slotWidth, slotWidth, axis, styles)
    }
    let step = Int(roundStep(atLeast: max(1, Double(columnCount) / Double(layerLabelCount))))
    let labels: [(column: Int, text: String)] =
      isLayered
      ? stride(from: 0, to: columnCount, by: step).map { ($0, "\($0)") }
      : columnCount > namedCount
        ? [] : values.map { ($0.column, label($0.value.place)) }
    let ticks = labels.map {
      Tick(
        at: percentPlace((Double($0.column / columnsPerSlot) + 0.5) * slotWidth), label: $0.text)
    }
    let numbers = values.map(\.value.number)
    return Panel(
      title: title,
      summary:
        "\(counted(values.count, "tensor")), \(threeDigits(numbers.min() ?? 0)) to \(threeDigits(numbers.max() ?? 0))",
      marks: marks, ticks: ticks,
      note: ticks.isEmpty ? "in the order of the file" : nil)
  }

  /// What stands below a tensor in no layer: its name, without what nearly all have.
  private static func label(_ place: WeightPlace) -> String {
    let suffix = ".weight"
    let name =
      place.kind.hasSuffix(suffix) ? String(place.kind.dropLast(suffix.count)) : place.kind
    return shortened(name, nameLength)
  }

  private static func mark(
    _ values: [Value], at start: Double, _ slotWidth: Double, _ axis: LogarithmicAxis,
    _ styles: [SeriesStyle]
  ) -> Mark {
    let sorted = values.sorted { $0.number < $1.number }
    let middle = sorted[(sorted.count - 1) / 2]
    let (least, most) = (sorted[0], sorted[sorted.count - 1])
    let width = slotWidth * 0.96
    let middlePlace = percentPlace(start + slotWidth / 2)
    let isOutlier = values.contains(where: \.isOutlier)
    let style = styles[middle.series]
    return Mark(
      x: percentPlace(start + (slotWidth - width) / 2), width: percentPlace(width),
      y: pixels(axis.position(middle.number) - Double(markHeight) / 2), color: style.color,
      shape: style.shape,
      text: sorted.count == 1
        ? middle.text
        : "\(grouped(sorted.count)) tensors: median \(threeDigits(middle.number)), largest \(most.text)",
      isOutlier: isOutlier,
      whisker: sorted.count == 1
        ? nil
        : Line(
          x: middlePlace, top: pixels(axis.position(most.number)),
          bottom: pixels(axis.position(least.number))),
      stem: isOutlier
        ? Line(x: middlePlace, top: pixels(axis.position(middle.number)), bottom: pixels(bottom))
        : nil)
  }

  /// Ticks whose labels don't touch.
  private static func apart(_ ticks: [Tick]) -> [Tick] {
    var kept: [(tick: Tick, place: Double)] = []
    for tick in ticks {
      guard let place = Double(tick.at) else { continue }
      if let last = kept.last, abs(last.place - place) < labelHeight { continue }
      kept.append((tick, place))
    }
    return kept.map(\.tick)
  }
}

/// A text of at most a number of characters.
func shortened(_ text: String, _ count: Int) -> String {
  text.count <= count ? text : text.prefix(count - 1) + "…"
}
