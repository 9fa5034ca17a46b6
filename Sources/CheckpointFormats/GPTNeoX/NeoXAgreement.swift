import FileContainers
import ModelArchitectures
import TensorModel

/// Whether what a training noted beside the weights, its configuration and the weights themselves are of one model.
struct NeoXAgreement {
  let configuration: NeoXConfiguration?
  let rankCount: Int
  /// Sizes that shapes prove.
  let layers: Int
  let width: Int
  let inner: Int
  let vocabulary: Int
  /// Whether there is no head.
  let isTied: Bool

  /// Compares the configuration with the shapes.
  ///
  /// - Throws: `usage` with the key.
  func check() throws(CheckpointError) {
    guard let configuration else { return }
    for (key, says, shows) in [
      ("hidden_size", configuration.width, width),
      ("intermediate_size", configuration.inner ?? inner, inner),
    ] where says != shows {
      throw CheckpointError(
        .usage, "the configuration doesn't fit the checkpoint's shapes",
        expected: "\(key) \(shows), which the shapes of \(counted(rankCount, "rank")) prove",
        found: "\(says)", hint: "is the configuration that of this checkpoint?")
    }
  }

  /// Compares what ranks noted: sizes with the configuration, steps with each other and with the folder's.
  ///
  /// - Parameters:
  ///   - records: by file.
  ///   - step: of the folder, if its name says it.
  /// - Throws: `malformed` with the file and what it says.
  func check(
    _ records: [(name: String, rank: Int, record: TrainingRecord)], step: Int?
  ) throws(CheckpointError) {
    var sizes = [TrainingRecord.rankCount: rankCount, TrainingRecord.vocabulary: vocabulary]
    if let configuration {
      let values = [
        configuration.layers, configuration.width, configuration.heads, configuration.positions,
      ]
      for (key, value) in zip(TrainingRecord.sizes, values) { sizes[key] = value }
    }
    sizes["num_layers"] = layers
    sizes["hidden_size"] = width
    for (name, rank, record) in records {
      for (key, value) in record.arguments.sorted(by: { $0.key < $1.key }) {
        guard let expected = sizes[key], value != expected else { continue }
        throw CheckpointError(
          .malformed, "'args' of rank \(rank) is of another model", file: name,
          expected: "\(key) \(expected), as the configuration and the other files have it",
          found: "\(value)", hint: "is the configuration that of this checkpoint?")
      }
      for key in [TrainingRecord.step, TrainingRecord.engineStep] {
        let first = records.first?.record.numbers[key]
        let expected = key == TrainingRecord.step ? step ?? first : first
        guard let expected, let found = record.numbers[key], found != expected else { continue }
        throw CheckpointError(
          .malformed, "rank \(rank) is from another step of the training", file: name,
          expected: "'\(key)' \(expected)", found: "\(found)",
          hint: "get all files of one step")
      }
    }
  }
}
