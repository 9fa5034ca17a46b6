import Quantization
import TensorModel

/// Weights that get one type together, and the search for these types.
struct ChoiceUnits {
  /// Places in the measured weights.
  private var members: [[Int]] = []
  private var typesOfUnits: [[WeightType]] = []
  /// The options of each, by what they are expected to do to predictions.
  private var costs: [[BudgetSearch.Option]] = []
  /// The same options, by their squared errors.
  private var errors: [[BudgetSearch.Option]] = []
  private var kindsOfUnits: [WeightKind] = []
  private let count: Int

  /// Groups weights.
  ///
  /// - Parameters:
  ///   - measured: of a model.
  ///   - factors: what errors of kinds count for, beside what is expected of them.
  init(_ measured: MeasuredTypes, _ factors: [WeightKind: Double] = [:]) {
    count = measured.weights.count
    var layers: [FusedLayer: Int] = [:]
    for (place, weight) in measured.weights.enumerated() {
      if let layer = weight.fused, let unit = layers[layer] {
        members[unit].append(place)
        continue
      }
      if let layer = weight.fused { layers[layer] = members.count }
      members.append([place])
    }
    for unit in members {
      let weights = unit.map { measured.weights[$0] }
      let types = weights[0].entries.map(\.type).filter { type in
        weights.allSatisfy { $0.entries.contains { $0.type == type } }
      }
      typesOfUnits.append(types)
      kindsOfUnits.append(weights[0].kind)
      let options = types.map { type in
        weights.compactMap { weight in
          weight.entries.first { $0.type == type }.map { (weight, $0) }
        }
      }
      costs.append(options.map { BudgetSearch.Option($0) { measured.cost($0, $1, factors) } })
      errors.append(options.map { BudgetSearch.Option($0, measured.objective) })
    }
  }

  /// Bytes of the smallest options.
  var leastByteCount: Int { costs.reduce(0) { $0 + ($1.map(\.byteCount).min() ?? 0) } }

  /// Bytes of a choice.
  func byteCount(_ choice: [Int]) -> Int {
    zip(costs, choice).reduce(0) { $0 + $1.0[$1.1].byteCount }
  }

  /// What a choice is expected to do to predictions.
  func cost(_ choice: [Int]) -> Double { Self.sum(costs, choice) }

  private static func sum(_ options: [[BudgetSearch.Option]], _ choice: [Int]) -> Double {
    zip(options, choice).reduce(0) { $0 + $1.0[$1.1].error }
  }

  /// The choice with the least cost.
  ///
  /// - Parameters:
  ///   - limit: what sizes may add up to, at least what the smallest options do.
  ///   - others: choices that fit, from which the search starts as well.
  ///   - isBounded: whether the sum of squared errors may be no larger than that of any of these.
  /// - Returns: the place of each unit's option.
  func search(limit: Int, from others: [[Int]], isBounded: Bool) -> [Int] {
    guard isBounded else { return best(costs, limit, others) }
    let bound = others.map { Self.sum(errors, $0) }.min() ?? .infinity
    let closest = best(errors, limit, others)
    let (cost, error) = (Self.sum(costs, closest), Self.sum(errors, closest))
    guard cost > 0, error > 0 else { return closest }
    // Squared errors count the more, the less their sum allows.
    for share in [0, 0.1, 0.3, 1, 3, 10] {
      let options = zip(costs, errors).map { costs, errors in
        zip(costs, errors).map {
          BudgetSearch.Option(
            byteCount: $0.byteCount, error: $0.error / cost + share * $1.error / error)
        }
      }
      let choice = best(options, limit, others)
      if Self.sum(errors, choice) <= bound { return choice }
    }
    return closest
  }

  private func best(_ options: [[BudgetSearch.Option]], _ limit: Int, _ others: [[Int]]) -> [Int] {
    var searches = others.map { BudgetSearch(options, limit: limit, from: $0) }
    if let own = BudgetSearch(options, limit: limit) { searches.insert(own, at: 0) }
    return searches.min { $0.error < $1.error }?.choice ?? []
  }

  /// The choices with the least squared errors, for which there is room.
  ///
  /// - Parameter limits: sizes.
  /// - Returns: a choice for each size that the smallest options don't exceed.
  func closest(limits: [Int]) -> [[Int]] {
    BudgetSearch.choices(errors, limits: limits).map(\.choice)
  }

  /// The kinds of weight that there are, in the order of the file.
  var kinds: [WeightKind] {
    var seen: Set<WeightKind> = []
    return kindsOfUnits.filter { seen.insert($0).inserted }
  }

  /// The options that leave the smallest errors.
  var exact: [Int] {
    costs.map { options in
      options.indices.min {
        (options[$0].error, options[$0].byteCount) < (options[$1].error, options[$1].byteCount)
      } ?? 0
    }
  }

  /// One kind as a choice has it, and all else as exact as it can be.
  ///
  /// What the choice leaves exact has the option nearest in size that isn't.
  func quantizing(_ kind: WeightKind, around choice: [Int]) -> [Int] {
    var result = exact
    for unit in result.indices where kindsOfUnits[unit] == kind {
      let options = costs[unit]
      let size = options[choice[unit]].byteCount
      let quantized = options.indices.filter { options[$0].error > options[result[unit]].error }
      result[unit] =
        quantized.min {
          (abs(options[$0].byteCount - size), $0) < (abs(options[$1].byteCount - size), $1)
        } ?? result[unit]
    }
    return result
  }

  /// The types of all weights.
  func types(_ choice: [Int]) -> [WeightType] {
    var types = [WeightType](repeating: .dtype(.f32), count: count)
    for (unit, option) in choice.enumerated() {
      for member in members[unit] { types[member] = typesOfUnits[unit][option] }
    }
    return types
  }

  /// The options that weights of these types have; nil where some can't be chosen.
  func choice(_ types: [WeightType]) -> [Int]? {
    var choice: [Int] = []
    for (unit, places) in members.enumerated() {
      guard let option = typesOfUnits[unit].firstIndex(of: types[places[0]]),
        places.allSatisfy({ types[$0] == types[places[0]] })
      else { return nil }
      choice.append(option)
    }
    return choice
  }
}

extension BudgetSearch.Option {
  /// A type for all weights of a unit.
  fileprivate init(
    _ entries: [(MeasuredTypes.Weight, MeasuredTypes.Entry)],
    _ error: (MeasuredTypes.Weight, MeasuredTypes.Entry) -> Double
  ) {
    self.init(
      byteCount: entries.reduce(0) { $0 + $1.1.byteCount },
      error: entries.reduce(0) { $0 + error($1.0, $1.1) })
  }
}
