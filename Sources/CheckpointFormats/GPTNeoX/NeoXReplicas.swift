import FileContainers
import ModelArchitectures
import TensorModel

/// Copies of a tensor on each rank, which should be equal and aren't always.
///
/// In GPT-NeoX-20B's published checkpoint they differ (EleutherAI/gpt-neox issue 615); the means are what was published as the model.
struct NeoXReplicas {
  /// The name in Hugging Face's form, and by how much values differ at most.
  private(set) var differing: [(name: String, file: String, difference: Double)] = []
  /// What comparing the copies showed, tensor by tensor.
  private(set) var copies: [Comparison] = []

  /// How the ranks' copies of a tensor compare.
  struct Comparison {
    let module: NeoXTable.Module
    /// The stored tensors, rank after rank.
    let parts: [String]
    /// For each rank the first one whose copy is the same bit for bit.
    let firstEqual: [Int]
    /// How many of 1 the values are that ranks don't have in common.
    let differingShare: Double
    /// The root of the mean square of the differences, as a part of that of the values.
    let relativeDifference: Double

    var areEqual: Bool { firstEqual.allSatisfy { $0 == 0 } }
  }

  /// The most bytes of a copy: it has an element for each of the model's dimensions.
  static let maximumByteCount = 16 << 20

  /// The value of a tensor of which each rank has a copy: the first where all are equal bit for bit, else the mean.
  ///
  /// - Throws: what reading throws.
  mutating func value(
    of tensor: NeoXMerging.Merged, _ reader: GPTNeoXReader
  ) throws(CheckpointError) -> TensorExpression {
    let first = try Copy(tensor.parts[0], reader)
    var lowest = first.values
    var highest = first.values
    var digests = [Digest(of: first.bytes)]
    for part in tensor.parts.dropFirst() {
      let copy = try Copy(part, reader)
      digests.append(Digest(of: copy.bytes))
      guard copy.bytes != first.bytes else { continue }
      for (place, value) in copy.values.enumerated() {
        // A NaN stays what the difference is.
        lowest[place] = value.isNaN ? value : min(lowest[place], value)
        highest[place] = value.isNaN ? value : max(highest[place], value)
      }
    }
    let differences = zip(lowest, highest).map { $1 - $0 }
    func square(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 } }
    let comparison = Comparison(
      module: tensor.module, parts: tensor.parts,
      firstEqual: digests.map { digest in digests.firstIndex(of: digest) ?? 0 },
      differingShare: Double(differences.count { $0 != 0 }) / Double(max(differences.count, 1)),
      relativeDifference: (square(differences) / max(square(lowest), square(highest))).squareRoot())
    copies.append(comparison)
    guard !comparison.areEqual else { return .stored(tensor.parts[0]) }
    differing.append(
      (tensor.name, first.file, differences.first { $0.isNaN } ?? differences.max() ?? 0))
    return .mean(tensor.parts.map { .stored($0) })
  }

  /// What is said of copies that differ.
  var findings: [Finding] {
    differing.map {
      Finding(
        .warning, "replicas-differ",
        "the ranks' copies differ by at most \($0.difference); the model gets their mean",
        file: $0.file, tensor: $0.name)
    }
  }

  /// One rank's copy.
  private struct Copy {
    let bytes: [UInt8]
    let file: String
    private let dtype: DType

    init(_ name: String, _ reader: GPTNeoXReader) throws(CheckpointError) {
      guard let position = reader.checkpoint.position(of: name) else {
        throw CheckpointError(.missing, "no such tensor", tensor: name)
      }
      let tensor = reader.checkpoint.tensors[position]
      guard tensor.byteCount <= maximumByteCount else {
        throw CheckpointError(
          .malformed, "too large for what each rank has a copy of", file: tensor.file, tensor: name,
          expected: "at most \(maximumByteCount) bytes", found: "\(tensor.byteCount)")
      }
      dtype = tensor.dtype
      file = tensor.file
      var bytes: [UInt8] = []
      try StoredRun(reader, position).forEach { (piece) in
        bytes.append(contentsOf: piece)
        return bytes.count < tensor.byteCount
      }
      self.bytes = bytes
    }

    var values: [Double] { dtype.numbers(bytes) }
  }
}
