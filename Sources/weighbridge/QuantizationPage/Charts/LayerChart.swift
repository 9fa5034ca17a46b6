/// Relative errors, one mark for each tensor: layers from left to right, and beside them what is in no layer.
struct LayerChart {
  /// A tensor that the chart shows.
  struct Value {
    let place: TensorPlace
    let error: Double
    /// What is said about it.
    let text: String
  }

  /// Marks that look the same.
  struct Group {
    let style: KindStyle
    let marks: [Mark]
  }

  /// A tensor.
  struct Mark {
    let x: String
    let y: String
    let text: String
  }

  /// Every other layer's background.
  struct Band {
    let start: String
    let extent: String
  }

  let width = 1080
  let height: Int
  let left = pixels(Self.left)
  let right = pixels(Self.right)
  let top = pixels(Self.top)
  let bottom = pixels(Self.bottom)
  let plotHeight = pixels(Self.bottom - Self.top)
  let middleHeight = pixels((Self.bottom + Self.top) / 2)
  let errorTicks: [Tick]
  let layerTicks: [Tick]
  let bands: [Band]
  let groups: [Group]
  /// Where `--max-rmse` is; nil where that is far off, or not given.
  let limit: Tick?
  /// The names of what is in no layer.
  let otherTicks: [Tick]
  /// Where the layers end, and their middle.
  let layersEnd: String
  let layersMiddle: String
  /// Where what is in no layer begins, and its middle.
  let othersStart: String
  let othersMiddle: String
  let hasLayers: Bool
  let hasOthers: Bool
  /// How large marks are.
  let scale: String

  private static let left = 80.0
  private static let right = 1064.0
  private static let top = 12.0
  private static let bottom = 318.0
  private static let gap = 20.0
  private static let labelledCount = 12

  /// A chart; nil if there is nothing to show.
  ///
  /// - Parameters:
  ///   - values: in the order of the file.
  ///   - limit: what errors may be at most; nil is no limit.
  init?(_ values: [Value], limit: Double?) {
    let values = values.filter { $0.error.isFinite && $0.error >= 0 }
    guard !values.isEmpty else { return nil }
    let layered = values.filter { $0.place.layer != nil }
    let others = values.filter { $0.place.layer == nil }
    let errors = values.map(\.error)
    // A limit far from all errors would press them together.
    let largest = errors.max() ?? 0
    let shownLimit = limit.flatMap { $0 > 0 && $0 < 3 * largest && $0 > largest / 30 ? $0 : nil }
    let axis = LogarithmicAxis(
      errors + (shownLimit.map { [$0] } ?? []), from: Self.bottom, to: Self.top)
    errorTicks = axis.ticks
    self.limit = shownLimit.map {
      Tick(at: pixels(axis.position($0)), label: "--max-rmse \(threeDigits($0))")
    }

    let full = Self.right - Self.left
    let othersWidth =
      layered.isEmpty ? full : others.isEmpty ? 0 : min(240, max(60, 26 * Double(others.count)))
    let end = Self.right - othersWidth - (others.isEmpty || layered.isEmpty ? 0 : Self.gap)
    let layers = LayerAxis(
      (layered.compactMap(\.place.layer).max() ?? 0) + 1, from: Self.left, to: end)
    layersEnd = pixels(end)
    layersMiddle = pixels((Self.left + end) / 2)
    othersStart = pixels(Self.right - othersWidth)
    othersMiddle = pixels(Self.right - othersWidth / 2)
    hasLayers = !layered.isEmpty
    hasOthers = !others.isEmpty
    layerTicks = layered.isEmpty ? [] : layers.ticks
    bands =
      layers.bandWidth < 12 || layered.isEmpty
      ? []
      : stride(from: 1, to: layers.count, by: 2).map {
        Band(start: pixels(layers.start($0)), extent: pixels(layers.bandWidth))
      }
    // Kinds stand side by side in their layer.
    let (styles, index) = KindStyle.assigned(layered.map(\.place.kind))
    let slot = min(layers.bandWidth * 0.8 / Double(max(1, styles.count)), 22)
    scale = slot > 9 ? "1" : slot > 4 ? "0.8" : layers.bandWidth > 8 ? "0.7" : "0.55"
    let byStyle = Dictionary(grouping: layered) { index[$0.place.kind] ?? 0 }
    var groups = styles.enumerated().map { number, style in
      let offset = (Double(number) - Double(styles.count - 1) / 2) * slot
      return Group(
        style: style,
        marks: (byStyle[number] ?? []).map { value in
          Mark(
            x: pixels(layers.middle(value.place.layer ?? 0) + offset),
            y: pixels(axis.position(value.error)), text: value.text)
        })
    }
    let othersAxis = LayerAxis(others.count, from: Self.right - othersWidth, to: Self.right)
    if !others.isEmpty {
      groups.append(
        Group(
          style: KindStyle(name: "outside of layers", color: "ko", shape: 0),
          marks: others.enumerated().map { number, value in
            Mark(
              x: pixels(othersAxis.middle(number)), y: pixels(axis.position(value.error)),
              text: value.text)
          }))
    }
    self.groups = groups
    let labels =
      others.count > Self.labelledCount ? [] : others.map { shortened($0.place.kind, 18) }
    otherTicks = labels.enumerated().map { number, label in
      Tick(at: pixels(othersAxis.middle(number)), label: label)
    }
    // Slanted labels need room.
    height = Int(Self.bottom) + max(50, 26 + 5 * (labels.map(\.count).max() ?? 0))
  }
}

/// A text of at most so many characters.
func shortened(_ text: String, _ count: Int) -> String {
  text.count <= count ? text : text.prefix(count - 1) + "…"
}
