import CheckpointConversion
import Foundation
import ModelArchitectures
import Quantization
import TensorModel

/// Tensors whose relative error is far from that of the others of their kind and type.
///
/// The distance is a robust z-score of the error's logarithm: (ln e − median) / (1.4826 · MAD), with the median absolute deviation MAD of the group; beyond 3.5 a value
/// counts as an outlier (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993, with the factor on the other side).
struct Outliers {
  /// A tensor that stands apart.
  struct Outlier {
    /// Its place in the report.
    let place: Int
    /// How many deviations it is above the median; negative if it is below.
    let score: Double
    /// The median of its group.
    let typical: Double
  }

  /// The farthest first.
  let all: [Outlier]
  /// Tensors in groups that are large enough to be judged.
  let judgedCount: Int
  /// Quantized tensors whose group is too small.
  let unjudgedCount: Int

  /// A smaller group says nothing about its members.
  static let minimumGroupCount = 5
  static let threshold = 3.5
  /// At most this many are listed.
  static let listedCount = 50
  /// Groups may be closer together than this, which is a hundredth of the error: what is within that is no outlier.
  private static let minimumScale = 0.01

  private struct Group: Hashable {
    let kind: String
    let isLayered: Bool
    let type: WeightType
  }

  /// The outliers among a report's tensors.
  init(_ tensors: [QuantizationReport.Tensor]) {
    var groups: [Group: [(place: Int, error: Double)]] = [:]
    for (number, tensor) in tensors.enumerated() {
      guard let error = tensor.errors?.relativeRmse, error > 0, error.isFinite else { continue }
      let place = WeightPlace(named: tensor.name)
      let group = Group(kind: place.kind, isLayered: place.layer != nil, type: tensor.dtype)
      groups[group, default: []].append((number, log(error)))
    }
    var found: [Outlier] = []
    var counts = (judged: 0, unjudged: 0)
    for members in groups.values {
      guard members.count >= Self.minimumGroupCount,
        let spread = RobustSpread(members.map(\.error), minimum: Self.minimumScale)
      else {
        counts.unjudged += members.count
        continue
      }
      counts.judged += members.count
      for member in members {
        let score = spread.score(member.error)
        if abs(score) >= Self.threshold {
          found.append(
            Outlier(place: member.place, score: score, typical: exp(spread.median)))
        }
      }
    }
    all = found.sorted {
      abs($0.score) == abs($1.score) ? $0.place < $1.place : abs($0.score) > abs($1.score)
    }
    judgedCount = counts.judged
    unjudgedCount = counts.unjudged
  }
}
