import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// Converts to a store.
@discardableResult
func convertToStore(
  _ source: String, _ destination: String,
  _ compression: ConversionPlan.Compression? = nil,
  resources: EvaluationResources = smallResources,
  _ edit: (inout ConversionRequest) -> Void = { _ in }
) throws(CheckpointError) -> Converter.Outcome {
  try convert(source, destination, resources: resources) {
    $0.format = "store"
    $0.settings.compression = compression
    edit(&$0)
  }
}

/// What `verify` says of all but values: those of samples are any.
func verification(
  of path: String, resources: EvaluationResources = smallResources
) throws(CheckpointError) -> VerificationReport {
  try Verifier(path, OpenOptions(), resources).run(against: nil, .withoutValues)
}

extension CheckSelection {
  /// All but what values should be.
  static var withoutValues: CheckSelection {
    var selection = CheckSelection()
    selection.skipped = [.values]
    return selection
  }
}

/// An open store.
func openStore(_ path: String) throws -> StoreReader {
  try #require(try Source(path).reader as? StoreReader)
}

/// All tensors of a checkpoint in any format: dtype, shape and bytes by name.
func contents(of path: String) throws -> [ExactName: SampleTensor] {
  let reader = try Source(path).reader
  var tensors: [ExactName: SampleTensor] = [:]
  for (position, tensor) in reader.checkpoint.tensors.enumerated() {
    tensors[ExactName(tensor.name)] = SampleTensor(
      tensor.name, tensor.dtype.rawValue, tensor.shape.dimensions,
      Data(try reader.contents(position)))
  }
  return tensors
}

extension SafetensorsSample {
  /// The tensors by their names' bytes.
  var byName: [ExactName: SampleTensor] {
    Dictionary(uniqueKeysWithValues: tensors.map { (ExactName($0.name), $0) })
  }

  /// A tensor of every dtype that safetensors has with random bits, so with NaN payloads, infinities and numbers that are too small.
  static func ofAllDTypes(_ elementCount: Int, seed: UInt64) -> SafetensorsSample {
    var random = SampleRandom(seed: seed)
    return SafetensorsSample(
      DType.allCases.filter { !$0.isBlockQuantized }.map { dtype in
        let count = dtype.byteCount(elementCount: elementCount) ?? 0
        var data = random.bytes(count)
        if dtype == .bool { data = Data(data.map { $0 & 1 }) }
        return SampleTensor("t.\(dtype.rawValue)", dtype.rawValue, [elementCount / 4, 4], data)
      })
  }
}

extension ConversionPlan.Compression {
  /// What a user may ask for.
  static let samples: [ConversionPlan.Compression] = [
    .zstd(level: nil), .zstd(level: 1), .zstd(level: 19), .uncompressed,
  ]
}
