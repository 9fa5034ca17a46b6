import CheckpointConversion
import Foundation
import TensorEvaluation
import TensorModel

/// What `inspect --statistics` says to people about dtypes that would hold the values.
enum PrecisionText {
  /// A tensor in a few words: what it is inside; else whether casts would make infinities or zeros of it; else nothing.
  static func remark(_ dtype: DType, _ precision: EffectivePrecision?) -> String {
    guard let precision else { return "" }
    if !precision.narrowest.contains(dtype) { return "\(names(precision.narrowest)) inside" }
    return precision.casts.compactMap { loss in
      let extremes = extremes(loss)
      return extremes.isEmpty
        ? nil : "as \(loss.dtype.rawValue): \(extremes.joined(separator: ", "))"
    }.joined(separator: "; ")
  }

  /// The whole checkpoint in a line; or in several, what is narrower inside and what each cast would do.
  static func summary(_ precision: CheckpointPrecision) -> [String] {
    if let verdict = precision.verdict {
      return ["\(verdict): \(humanSize(precision.narrowestByteCount)) would hold it exactly"]
    }
    var lines: [String] = []
    if precision.groups.contains(where: \.isNarrower) {
      lines.append(
        precision.groups.map { group in
          let verb = group.tensorCount == 1 ? "is" : "are"
          let inside = group.isNarrower ? " \(verb) \(names(group.narrowest)) inside" : ""
          return
            "\(counted(group.tensorCount, "\(group.dtype.rawValue) tensor")) (\(humanSize(group.byteCount)))\(inside)"
        }.joined(separator: ", "))
    }
    return lines + precision.casts.map { sentence($0, of: precision.elementCount) }
  }

  private static func sentence(_ loss: CastLoss, of count: Int) -> String {
    let start = "a cast to \(loss.dtype.rawValue) would change"
    if loss.isExact { return "\(start) no value" }
    var parts = ["\(start) \(share(loss.changedCount, of: count)) of the values"] + extremes(loss)
    if loss.subnormalCount > 0 {
      parts.append(happens(loss.subnormalCount, "lose", " bits as subnormal numbers"))
    }
    return parts.joined(separator: ", ")
  }

  private static func extremes(_ loss: CastLoss) -> [String] {
    var parts: [String] = []
    if loss.overflowCount > 0 { parts.append(happens(loss.overflowCount, "overflow")) }
    if loss.flushedCount > 0 { parts.append(happens(loss.flushedCount, "become", " zero")) }
    return parts
  }

  private static func happens(_ count: Int, _ verb: String, _ rest: String = "") -> String {
    "\(grouped(count)) \(verb)\(count == 1 ? "s" : "")\(rest)"
  }

  /// Per cent in three digits; never 100 for less than all.
  private static func share(_ part: Int, of whole: Int) -> String {
    if part == whole { return "100 %" }
    let percent = 100 * Double(part) / Double(whole)
    return percent > 99.95 ? "over 99.9 %" : String(format: "%.3g %%", percent)
  }

  private static func names(_ dtypes: [DType]) -> String {
    dtypes.map(\.rawValue).joined(separator: " or ")
  }
}
