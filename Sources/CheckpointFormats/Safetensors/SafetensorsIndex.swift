// model.safetensors.index.json, as transformers writes it:
//
//   { "metadata": { "total_size": bytes of all tensors }, "weight_map": { tensor name: shard file name } }

import FileContainers
import TensorModel

/// Which shard holds which tensor.
struct SafetensorsIndex {
  /// The file's name.
  static let fileName = "model.safetensors.index.json"
  /// The most bytes that it may have.
  static let maximumByteCount = 100_000_000

  /// Shard names of the tensors.
  let weightMap: [ExactName: String]
  /// `total_size`, if it says one.
  let totalByteCount: Int?

  /// The shards, sorted.
  var shards: [String] { Set(weightMap.values).sorted() }

  /// Parses an index.
  ///
  /// - Throws: `malformed`.
  init(parsing bytes: [UInt8]) throws(CheckpointError) {
    let document: JSONValue
    do { document = try JSONValue(parsing: bytes) } catch { throw error.in(file: Self.fileName) }
    guard let members = document["weight_map"]?.members, !members.isEmpty else {
      throw CheckpointError(
        .malformed, "the index has no weight_map", file: Self.fileName,
        expected: "an object of tensor names and file names")
    }
    var weightMap: [ExactName: String] = [:]
    for member in members {
      guard let shard = member.value.text, !shard.isEmpty, !shard.utf8.contains(UInt8(ascii: "/")),
        !shard.utf8.contains(0), shard != "..", shard != "."
      else {
        throw CheckpointError(
          .malformed, "not the name of a file beside the index", file: Self.fileName,
          tensor: member.key, found: member.value.shortText)
      }
      weightMap[ExactName(member.key)] = shard
    }
    self.weightMap = weightMap
    totalByteCount = document["metadata"]?["total_size"]?.integer
  }

  /// Everything in which the index and the shards disagree.
  ///
  /// - Parameter tensors: names and shard files of what is really there.
  /// - Returns: an error for each tensor that is misplaced, not listed or not there.
  func disagreements(with tensors: [TensorInfo]) -> [CheckpointError] {
    var problems: [CheckpointError] = []
    var seen: Set<ExactName> = []
    for tensor in tensors {
      let name = ExactName(tensor.name)
      seen.insert(name)
      if weightMap[name] != tensor.file {
        problems.append(
          CheckpointError(
            .malformed, "index and shard disagree about where the tensor is", file: Self.fileName,
            tensor: tensor.name, expected: tensor.file,
            found: weightMap[name] ?? "no entry in the index"))
      }
    }
    for (name, shard) in weightMap.sorted(by: { $0.key < $1.key }) where !seen.contains(name) {
      problems.append(
        CheckpointError(
          .missing, "the index names a tensor that no shard has", file: Self.fileName,
          tensor: name.text, expected: "in \(shard)"))
    }
    return problems
  }
}
