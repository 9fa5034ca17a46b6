import Foundation
import ModelArchitectures
import ReferenceForward
import TensorModel

/// What the logits of two models say, position by position.
struct LogitOutcome {
  /// The largest difference of a logit.
  private(set) var largestDifference = 0.0
  /// Of the second's distributions from the first's, in nats.
  private(set) var divergences: [Double] = []
  /// Positions at which both find the same token likeliest.
  private(set) var sameTopCount = 0
  /// Positions at which one of both computes no numbers: equal ones are no proof of anything.
  private var numberlessCount = 0
  /// What the tokens' negative log-likelihood is larger by in the second, in nats.
  private var likelihoodLoss = 0.0
  /// Positions that count.
  private(set) var positionCount = 0
  /// Those of them after which there is a token.
  private var predictedCount = 0

  /// Whether both models compute numbers at all positions.
  var computesNumbers: Bool { numberlessCount == 0 }

  /// The share of positions at which both find the same token likeliest.
  var sameTopFraction: Double { Double(sameTopCount) / Double(max(positionCount, 1)) }

  /// By how much the mean negative log-likelihood of the tokens is larger in the second, in nats; nil where none is predicted.
  var negativeLogLikelihoodIncrease: Double? {
    predictedCount > 0 ? likelihoodLoss / Double(predictedCount) : nil
  }

  /// Takes in a position that counts.
  ///
  /// - Parameters:
  ///   - a: the first model's logits.
  ///   - b: the second's.
  ///   - vocabulary: how many each has.
  ///   - next: the token after it.
  mutating func add(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, vocabulary: Int, next: NextToken
  ) {
    positionCount += 1
    for index in 0..<vocabulary {
      largestDifference = max(largestDifference, Self.distance(a[index], b[index]))
    }
    let (p, q) = (LogitRow(a, count: vocabulary), LogitRow(b, count: vocabulary))
    let divergence = p.divergence(from: q)
    let areNumbers = p.logSum.isFinite && q.logSum.isFinite
    if !areNumbers { numberlessCount += 1 }
    // Without numbers there is no distribution.
    let isSame = memcmp(a, b, vocabulary * 4) == 0
    divergences.append(divergence.isFinite ? divergence : isSame ? 0 : .infinity)
    if areNumbers, p.likeliest == q.likeliest { sameTopCount += 1 }
    if let token = next.token {
      predictedCount += 1
      likelihoodLoss += p.logProbability(of: token) - q.logProbability(of: token)
    }
  }

  /// |a − b|; 0 for two values that aren't numbers in the same way, infinite where only one isn't.
  static func distance(_ a: Float, _ b: Float) -> Double {
    if a == b || a.isNaN && b.isNaN { return 0 }
    return a.isFinite && b.isFinite ? abs(Double(a) - Double(b)) : .infinity
  }
}

/// What comes after a row that counts; nothing after the last one.
struct NextToken {
  let token: Int?

  /// Of each row whether it counts, and then the token after it; nil for rows that don't.
  static func afterRows(of windows: TokenWindows) -> [NextToken?] {
    windows.rows.flatMap { row in
      row.indices.map { place in
        let isLast = place + 1 == row.count
        guard place >= windows.contextCount - 1, !isLast || windows.contextCount == 1 else {
          return nil
        }
        return NextToken(token: isLast ? nil : row[place + 1])
      }
    }
  }
}

extension Architecture.Dimensions {
  /// Requires what running two models side by side needs.
  ///
  /// - Throws: `unsupported` for models of other sizes.
  func requireSameSizes(
    _ other: Architecture.Dimensions
  ) throws(CheckpointError) {
    guard layers == other.layers, model == other.model, vocabulary == other.vocabulary else {
      throw CheckpointError(
        .unsupported, "models of different sizes can't be run side by side",
        expected: "\(layers) layers, width \(model), \(vocabulary) tokens",
        found: "\(other.layers) layers, width \(other.model), \(other.vocabulary) tokens")
    }
  }
}
