import TensorModel

/// Error against size of what a run has measured of a model: the schemes of a container, what is best at each size, and the result among them.
public struct SizeCurve: Sendable, Encodable {
  /// How its points were measured.
  public enum Origin: String, Sendable, Encodable {
    /// Every type on every weight, because there was a target for the size. Errors are those of all weights whose type can be chosen.
    case types
    /// Every scheme on the whole model. Errors are those of all matrices, quantized or not.
    case schemes
  }

  /// A model in some types.
  public struct Point: Sendable, Codable, Hashable {
    /// What it is.
    public enum Role: String, Sendable, Codable {
      /// A scheme with the run's other options.
      case scheme
      /// The types with the least squared error that fit into the size, whatever weights are for.
      case choice
      /// The scheme as the format's own tool has it.
      case preset
      /// What is written.
      case result
    }

    /// What it is.
    public let role: Role
    /// The scheme; nil for choices of types.
    public let scheme: String?
    /// Bytes of all tensors.
    public let byteCount: Int
    /// Bits of all tensors for each weight.
    public let bitsPerWeight: Double
    /// ‖x - y‖ / ‖x‖.
    public let relativeRmse: Double
    /// The mean Kullback-Leibler divergence in nats; nil where that wasn't measured.
    public internal(set) var klDivergence: Double?
  }

  /// How its points were measured.
  public let measured: Origin
  /// All points, by role, the smallest first.
  public private(set) var points: [Point]

  /// A curve.
  init(_ measured: Origin, _ points: [Point]) {
    self.measured = measured
    let roles: [Point.Role] = [.scheme, .choice, .preset, .result]
    self.points = roles.flatMap { role in
      points.filter { $0.role == role }.sorted {
        ($0.byteCount, $0.scheme ?? "") < ($1.byteCount, $1.scheme ?? "")
      }
    }
  }

  /// The same with divergences of schemes.
  func adding(_ divergences: [String: Double]) -> SizeCurve {
    var curve = self
    for place in points.indices where points[place].role == .scheme {
      guard let scheme = points[place].scheme, let divergence = divergences[scheme] else {
        continue
      }
      curve.points[place].klDivergence = divergence
    }
    return curve
  }
}
