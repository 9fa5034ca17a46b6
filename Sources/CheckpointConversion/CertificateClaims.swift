public import TensorEvaluation

extension Certificate.TensorRecord {
  /// What a certificate claims of a tensor that evaluating its expression doesn't confirm.
  ///
  /// - Parameter tensor: the result of the evaluation.
  /// - Returns: a message for each wrong claim.
  public func disagreements(with tensor: EvaluatedTensor) -> [String] {
    let report = tensor.report
    var messages: [String] = []
    func compare<Value: Equatable>(_ claim: String, _ certified: Value, _ found: Value) {
      guard certified != found else { return }
      messages.append("the certificate's \(claim) isn't so, expected \(certified), found \(found)")
    }
    compare("digest", digest, tensor.digest)
    compare("exactness", exactness.rawValue, Self.exactness(report).rawValue)
    compare("largest_error_ulp", largestErrorUlp, report.largestErrorUlp)
    compare("overflow_count", overflowCount, report.overflowCount)
    if quantization != report.quantization.map({ QuantizationRecord($0, shape) }) {
      messages.append("the certificate's errors of blocks aren't so")
    }
    return messages
  }

  private static func exactness(_ report: CastReport) -> Certificate.Exactness {
    report.isExact ? .exact : .rounded
  }
}
