import ModelArchitectures
import TensorModel

/// How a checkpoint has the experts of its mixture, told by names.
struct ExpertSpellings {
  /// The spelling; nil for families without experts, and where there are no experts.
  let spelling: Architecture.ExpertSpelling?
  /// A tensor of each, where there are several spellings.
  let rivals: [String]

  /// Looks for tensors that only one spelling has.
  init(_ names: Set<ExactName>, _ architecture: Architecture) {
    let spellings = architecture.spellings
    guard spellings.count > 1 else {
      (spelling, rivals) = (spellings.first, [])
      return
    }
    var found: [(spelling: Architecture.ExpertSpelling, name: String, count: Int)] = []
    for spelling in spellings {
      let forms = architecture.rows.filter { row in
        row.spelling == spelling && row.role.projection?.isOfExperts ?? false
      }.map { Form($0.name) }
      let matching = names.filter { name in forms.contains { $0.matches(name.text) } }
      guard let first = matching.min() else { continue }
      found.append((spelling, first.text, matching.count))
    }
    spelling = (found.max { $0.count < $1.count })?.spelling ?? spellings.first
    rivals = found.count > 1 ? found.map(\.name) : []
  }

  /// What stands after the layer in a row's name, around a number if it has one.
  private struct Form {
    private let head: String?
    private let tail: String

    init(_ pattern: String) {
      let inLayer = pattern.split(separator: "{i}").last.map(String.init) ?? pattern
      let parts = inLayer.split(separator: "{n}").map(String.init)
      head = parts.count > 1 ? parts[0] : nil
      tail = parts.last ?? inLayer
    }

    func matches(_ name: String) -> Bool {
      name.hasSuffix(tail) && (head.map { name.contains($0) } ?? true)
    }
  }

  /// What is wrong where there are several; nil otherwise.
  var problem: ModelProblem? {
    guard rivals.count > 1 else { return nil }
    return ModelProblem(
      "expert-spellings",
      CheckpointError(
        .malformed, "the experts are there twice, as tensors of their own and stacked",
        tensor: rivals[1], expected: "one spelling", found: "'\(rivals[0])' too",
        hint: "merging two checkpoints makes such files: make it again from one of them"))
  }
}
