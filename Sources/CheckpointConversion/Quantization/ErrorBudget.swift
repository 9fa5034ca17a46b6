import Foundation
import ModelArchitectures
public import Quantization
import TensorModel

/// Where the error of a quantization comes from, and what more bits would do about it.
///
/// The error of all tensors together is √(Σ n e² / Σ n) over their numbers of weights n and their measured relative errors e. What it would be with larger types is
/// an estimate: of sizes exactly, of errors by tensors that have these types already, else by the rule that a bit halves the error.
/// Where the run has measured the larger type on the tensor itself, both are known.
public struct ErrorBudget: Sendable {
  /// Tensors of one kind and type.
  public struct Part: Sendable {
    /// What they are for.
    public let kind: String
    /// Their type.
    public let type: WeightType
    /// Their places in the report.
    public let members: [Int]
    /// Weights of all.
    public let weightCount: Int
    /// Bytes of all.
    public let byteCount: Int
    /// Σ n e².
    public let squaredError: Double
    /// What the next larger type does; nil where there is none but floats.
    public let raise: Raise?
  }

  /// Larger types for some tensors.
  public struct Raise: Sendable {
    /// What they become, the most frequent first.
    public let types: [WeightType]
    /// Bytes that it costs.
    public let byteCount: Int
    /// Σ n e² of these tensors as it is estimated to be then.
    public let squaredError: Double
    /// What that is estimated from.
    public let basis: Basis
  }

  /// What an error is estimated from, the best first.
  public enum Basis: Int, Sendable {
    /// The tensor itself was quantized to that type in this run, to measure it.
    case measured
    /// Tensors of the same kind that have the larger type.
    case sameKind
    /// Tensors of other kinds that have it.
    case sameType
    /// The rule that a bit halves the error.
    case rule
  }

  /// By what is taken off for each byte, the most first; then those that can't be raised, in the order of the file.
  public let parts: [Part]
  /// Weights of all tensors whose error was measured.
  public let weightCount: Int
  /// Bytes of these tensors.
  public let byteCount: Int
  /// Σ n e² of all.
  public let squaredError: Double
  private let raises: [Int: Raise]
  private let weights: [Int: Double]

  /// The relative error of all tensors together.
  public var error: Double { Self.error(squaredError, weightCount) }

  private static func error(_ squared: Double, _ count: Int) -> Double {
    (max(0, squared) / Double(max(1, count))).squareRoot()
  }

  /// What is known of tensors that were cut into blocks.
  private struct Member {
    let number: Int
    let kind: String
    let tensor: QuantizationReport.Tensor
    let error: Double

    var squared: Double { Double(tensor.shape.elementCount) * error * error }
  }

  private struct Key: Hashable {
    let kind: String
    let type: WeightType
  }

  /// The budget of a report; nil if no error was measured.
  public init?(_ report: QuantizationReport) {
    let members = report.tensors.enumerated().compactMap { number, tensor -> Member? in
      guard let error = tensor.errors?.relativeRmse, error.isFinite else { return nil }
      return Member(
        number: number, kind: WeightPlace(named: tensor.name).kind, tensor: tensor, error: error)
    }
    guard !members.isEmpty else { return nil }
    let container = report.scheme.container
    var order: [Key] = []
    var groups: [Key: [Member]] = [:]
    for member in members {
      let key = Key(kind: member.kind, type: member.tensor.dtype)
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(member)
    }
    let byKind = groups.mapValues { Self.median($0) }
    let byType = Dictionary(grouping: members, by: \.tensor.dtype).mapValues(Self.median)
    var raises: [Int: Raise] = [:]
    for member in members {
      let tensor = member.tensor
      if let raise = Self.measuredRaise(member, container, report) {
        raises[member.number] = raise
        continue
      }
      guard
        let type = container.larger(than: tensor.dtype, columns: tensor.shape.dimensions.last ?? 0)
      else { continue }
      let count = Double(tensor.shape.elementCount)
      let bits = type.bitsPerWeight - tensor.dtype.bitsPerWeight
      var (error, basis) = (member.error * pow(2, -bits), Basis.rule)
      for (measured, found) in [
        (byKind[Key(kind: member.kind, type: type)], Basis.sameKind), (byType[type], .sameType),
      ] {
        guard let measured, measured < member.error else { continue }
        (error, basis) = (measured, found)
        break
      }
      raises[member.number] = Raise(
        types: [type], byteCount: Int((count * bits / 8).rounded()),
        squaredError: count * error * error, basis: basis)
    }
    self.raises = raises
    weights = Dictionary(
      members.map { ($0.number, $0.squared) }, uniquingKeysWith: { first, _ in first })
    let parts = order.map { key in
      let members = groups[key] ?? []
      return Part(
        kind: key.kind, type: key.type, members: members.map(\.number),
        weightCount: members.reduce(0) { $0 + $1.tensor.shape.elementCount },
        byteCount: members.reduce(0) { $0 + $1.tensor.byteCount },
        squaredError: members.reduce(0) { $0 + $1.squared },
        raise: Self.joined(members.compactMap { raises[$0.number] }, members.count))
    }
    weightCount = parts.reduce(0) { $0 + $1.weightCount }
    byteCount = parts.reduce(0) { $0 + $1.byteCount }
    squaredError = parts.reduce(0) { $0 + $1.squaredError }
    let ranked = parts.enumerated().sorted {
      let (a, b) = ($0.element.gain, $1.element.gain)
      return a == b ? $0.offset < $1.offset : a > b
    }
    self.parts = ranked.map(\.element)
  }

  /// Of the larger types that were measured on a tensor the one that takes away most squared error for each byte; nil where none was that is nearer.
  ///
  /// What has to be of one type with others gets the next larger one, as they do.
  private static func measuredRaise(
    _ member: Member, _ container: QuantizationContainer, _ report: QuantizationReport
  ) -> Raise? {
    let tensor = member.tensor
    let count = Double(tensor.shape.elementCount)
    let next = container.larger(than: tensor.dtype, columns: tensor.shape.dimensions.last ?? 0)
    let raises = container.types.compactMap { type -> Raise? in
      guard type.isQuantized, tensor.fused == nil || type == next,
        let figures = report.measuredTypes[tensor.name, type],
        figures.byteCount > tensor.byteCount, figures.relativeRmse < member.error
      else { return nil }
      return Raise(
        types: [type], byteCount: figures.byteCount - tensor.byteCount,
        squaredError: count * figures.relativeRmse * figures.relativeRmse, basis: .measured)
    }
    return raises.max {
      (member.squared - $0.squaredError) / Double($0.byteCount)
        < (member.squared - $1.squaredError) / Double($1.byteCount)
    }
  }

  /// By how much the error of all together is less if some tensors are raised.
  public func reduction(_ squared: Double, to raised: Double) -> Double {
    error - Self.error(squaredError - squared + raised, weightCount)
  }

  /// Raising some tensors, as far as there are larger types; nil if there are none for any.
  ///
  /// - Parameter places: theirs in the report.
  /// - Returns: what it costs, and what it takes off the error of all together.
  public func raising(_ places: [Int]) -> (raise: Raise, reduction: Double)? {
    let found = places.filter { raises[$0] != nil }
    guard let raise = Self.joined(found.compactMap { raises[$0] }, found.count) else { return nil }
    return (raise, reduction(squaredError(of: found), to: raise.squaredError))
  }

  /// Whether there is a larger type for a tensor.
  func hasRaise(_ place: Int) -> Bool { raises[place] != nil }

  /// Σ n e² of some tensors.
  func squaredError(of places: [Int]) -> Double { places.reduce(0) { $0 + (weights[$1] ?? 0) } }

  /// All of some; nil unless there are as many as there should be.
  private static func joined(_ raises: [Raise], _ count: Int) -> Raise? {
    guard !raises.isEmpty, raises.count == count else { return nil }
    let types = Dictionary(grouping: raises.flatMap(\.types)) { $0 }.sorted {
      ($0.value.count, $1.key.name) > ($1.value.count, $0.key.name)
    }
    return Raise(
      types: types.map(\.key), byteCount: raises.reduce(0) { $0 + $1.byteCount },
      squaredError: raises.reduce(0) { $0 + $1.squaredError },
      basis: raises.map(\.basis).max { $0.rawValue < $1.rawValue } ?? .rule)
  }

  private static func median(_ members: [Member]) -> Double {
    let errors = members.map(\.error).sorted()
    return (errors[(errors.count - 1) / 2] + errors[errors.count / 2]) / 2
  }
}

extension ErrorBudget.Part {
  /// Squared error that a larger type takes away for each byte that it costs; negative where there is none.
  fileprivate var gain: Double {
    guard let raise, raise.byteCount > 0 else { return -1 }
    return (squaredError - raise.squaredError) / Double(raise.byteCount)
  }
}
