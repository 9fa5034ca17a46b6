/// A choice of one option for each of several items, so that errors are small and sizes add up to no more than a limit.
///
/// Lagrange's method: of every item only the options on the lower convex hull of error against size are taken, and all items move along their hulls in the order
/// of the error that a byte takes away. What is left of the limit is filled, and pairs of items are exchanged for as long as that helps. The same choice for the
/// same numbers.
struct BudgetSearch {
  /// An option: bytes, and the squared error that they leave.
  struct Option: Hashable {
    let byteCount: Int
    let error: Double
  }

  /// The place of each item's option.
  private(set) var choice: [Int]
  private let items: [[Option]]
  private let limit: Int

  /// More items aren't exchanged in pairs.
  private static let maximumPairedCount = 300

  /// Nil where the smallest options are too large.
  ///
  /// - Parameters:
  ///   - items: the options of each, at least one.
  ///   - limit: what sizes may add up to.
  init?(_ items: [[Option]], limit: Int) {
    self.init(sweeping: items, limit: limit)
    improve()
  }

  /// Starts from a choice that keeps to the limit, where exchanges may help.
  init(_ items: [[Option]], limit: Int, from choice: [Int]) {
    self.items = items
    self.limit = limit
    self.choice = choice
    improve()
  }

  /// Bytes of the choice.
  var byteCount: Int { zip(items, choice).reduce(0) { $0 + $1.0[$1.1].byteCount } }

  /// Squared error of the choice.
  var error: Double { zip(items, choice).reduce(0) { $0 + $1.0[$1.1].error } }

  /// A move along a hull.
  private struct Step {
    let item: Int
    let option: Int
    let gain: Double
  }

  /// Places of the options on the lower convex hull, by size.
  private static func hull(_ options: [Option]) -> [Int] {
    var hull: [Int] = []
    let order = options.indices.sorted {
      (options[$0].byteCount, options[$0].error, $0) < (
        options[$1].byteCount, options[$1].error, $1
      )
    }
    for place in order {
      if let last = hull.last, options[place].error >= options[last].error { continue }
      while hull.count > 1,
        gain(options[hull[hull.count - 2]], options[hull[hull.count - 1]])
          <= gain(options[hull[hull.count - 1]], options[place])
      {
        hull.removeLast()
      }
      hull.append(place)
    }
    return hull
  }

  /// Error that a byte takes away.
  private static func gain(_ from: Option, _ to: Option) -> Double {
    (from.error - to.error) / Double(max(1, to.byteCount - from.byteCount))
  }

  /// The choices that the sweep comes to within some sizes, for which there is room.
  ///
  /// - Parameters:
  ///   - items: the options of each, at least one.
  ///   - limits: sizes.
  /// - Returns: a choice for each size that the smallest options don't exceed.
  static func choices(_ items: [[Option]], limits: [Int]) -> [BudgetSearch] {
    limits.compactMap { BudgetSearch(sweeping: items, limit: $0) }
  }

  /// Nil where the smallest options are too large; nothing is exchanged afterwards.
  private init?(sweeping items: [[Option]], limit: Int) {
    self.items = items
    self.limit = limit
    choice = Self.smallest(items)
    guard byteCount <= limit else { return nil }
    sweep()
  }

  private static func smallest(_ items: [[Option]]) -> [Int] {
    items.map { options in
      options.indices.min {
        (options[$0].byteCount, options[$0].error) < (options[$1].byteCount, options[$1].error)
      } ?? 0
    }
  }

  private mutating func sweep() {
    var steps: [Step] = []
    for (item, options) in items.enumerated() {
      let hull = Self.hull(options)
      for (here, next) in zip(hull, hull.dropFirst()) {
        steps.append(Step(item: item, option: next, gain: Self.gain(options[here], options[next])))
      }
    }
    // Steps of an item stay in their order: gains fall along a hull.
    let order = steps.indices.sorted { (-steps[$0].gain, $0) < (-steps[$1].gain, $1) }
    var total = byteCount
    for step in order.map({ steps[$0] }) {
      let more =
        items[step.item][step.option].byteCount - items[step.item][choice[step.item]].byteCount
      guard total + more <= limit else { continue }
      total += more
      choice[step.item] = step.option
    }
  }

  private mutating func improve() {
    var total = byteCount
    // Every move takes error away, so that this ends; far sooner than here.
    for _ in 0..<10_000 {
      guard let moves = bestMoves(total) else { return }
      for (item, option) in moves {
        total += items[item][option].byteCount - items[item][choice[item]].byteCount
        choice[item] = option
      }
    }
  }

  /// What one or two items should be instead; nil where nothing takes error away.
  private func bestMoves(_ total: Int) -> [(item: Int, option: Int)]? {
    var best: [(item: Int, option: Int)]?
    var most = 1e-12 * error
    var moves: [(item: Int, option: Int, bytes: Int, gain: Double)] = []
    for (item, options) in items.enumerated() {
      let here = options[choice[item]]
      for (place, option) in options.enumerated() where place != choice[item] {
        let (bytes, gain) = (option.byteCount - here.byteCount, here.error - option.error)
        moves.append((item, place, bytes, gain))
        guard total + bytes <= limit, gain > most else { continue }
        (best, most) = ([(item, place)], gain)
      }
    }
    guard items.count <= Self.maximumPairedCount else { return best }
    // One item takes error away, another makes room for it.
    let gains = moves.filter { $0.gain > 0 && $0.bytes > 0 }
    let savings = moves.filter { $0.gain <= 0 && $0.bytes < 0 }
    for one in gains where one.gain > most {
      for other in savings where other.item != one.item {
        guard one.gain + other.gain > most, total + one.bytes + other.bytes <= limit else {
          continue
        }
        (best, most) = (
          [(one.item, one.option), (other.item, other.option)], one.gain + other.gain
        )
      }
    }
    return best
  }
}
