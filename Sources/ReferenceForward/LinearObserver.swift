public import ModelArchitectures
public import TensorModel

/// Is told of what a decoder's linear layers are applied to: for statistics of their inputs.
///
/// Calls come one after the other, from the thread that runs the decoder, in an order that doesn't depend on the number of threads.
public protocol LinearObserver: AnyObject, Sendable {
  /// Called before a product y = x · Wᵀ.
  ///
  /// Projections of one input, such as queries, keys and values, are told one by one; a place without rows isn't.
  ///
  /// - Parameters:
  ///   - place: of the weight, as `[out, in]`; its number is that of an expert.
  ///   - x: `[rows, columns]`, row-major; valid during the call.
  ///   - rows: tokens of the batch, of an expert those that it gets.
  ///   - columns: of the weight.
  /// - Throws: what ends the run.
  func willApply(
    _ place: DecoderPlace, to x: UnsafePointer<Float>, rows: Int, columns: Int
  ) throws(CheckpointError)
}
