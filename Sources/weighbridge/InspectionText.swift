import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel

/// What `inspect` says to people.
struct InspectionText {
  private let inspection: Inspection
  private let listsTensors: Bool

  init(_ inspection: Inspection, listsTensors: Bool) {
    self.inspection = inspection
    self.listsTensors = listsTensors
  }

  var text: String {
    var lines = [
      line("format", "\(inspection.format), \(inspection.layout)"),
      line("architecture", inspection.architecture.map { printable($0) } ?? "not known"),
      line("parameters", grouped(inspection.parameterCount)),
      line(
        "size",
        "\(humanSize(inspection.byteCount)) in \(counted(inspection.tensors.count, "tensor"))"),
      line("dtypes", dtypes),
    ]
    switch inspection.attention {
    case AttentionMode.prefix.rawValue:
      lines.insert(line("attention", "prefix: the prompt is seen as a whole"), at: 2)
    case AttentionMode.causal.rawValue: break
    default: lines.insert(line("attention", "other: masks that can't be expressed here"), at: 2)
    }
    if let precision = inspection.effectivePrecision {
      lines += PrecisionText.summary(precision).enumerated().map {
        line($0 == 0 ? "precision" : "", $1)
      }
    }
    if let root = inspection.root { lines.append(line("root", root.description)) }
    if !inspection.metadata.isEmpty {
      let pairs = inspection.metadata.sorted { $0.key < $1.key }
        .map { "\(printable($0.key.text)) = \(printable(String($0.value.prefix(60))))" }
      lines.append(line("metadata", pairs.joined(separator: ", ")))
    }
    lines.append("")
    lines += listsTensors || inspection.hasDetails ? allTensors : groups
    return lines.joined(separator: "\n")
  }

  private func line(_ label: String, _ value: String) -> String {
    label.padding(toLength: 14, withPad: " ", startingAt: 0) + value
  }

  private var dtypes: String {
    var bytes: [String: Int] = [:]
    for tensor in inspection.tensors {
      bytes[tensor.dtype.rawValue, default: 0] += tensor.byteCount
    }
    return bytes.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\($0.key) \(humanSize($0.value))" }.joined(separator: ", ")
  }

  private var allTensors: [String] {
    var rows: [[String]] = []
    for tensor in inspection.tensors {
      var row = [
        printable(tensor.name), tensor.dtype.rawValue, tensor.shape.description,
        humanSize(tensor.byteCount), printable(tensor.file),
      ]
      if let values = tensor.statistics {
        row += [Self.text(values), PrecisionText.remark(tensor.dtype, values.effectivePrecision)]
      }
      if let digest = tensor.digest { row.append(digest.description) }
      rows.append(row)
    }
    return Self.table(rows)
  }

  private static func text(_ values: TensorStatistics) -> String {
    func number(_ value: Double?) -> String { value.map { String(format: "%.5g", $0) } ?? "-" }
    return
      "min \(number(values.minimum)) max \(number(values.maximum)) mean \(number(values.mean)) std \(number(values.standardDeviation)) zeros \(grouped(values.zeroCount)) nan \(grouped(values.nanCount)) inf \(grouped(values.infinityCount))"
  }

  /// Tensors that differ only in the numbers of their layer or shard, in one line each.
  private var groups: [String] {
    struct Key: Hashable {
      let pattern: String
      let type: String
    }
    var order: [Key] = []
    var counts: [Key: (count: Int, bytes: Int)] = [:]
    for tensor in inspection.tensors {
      let key = Key(
        pattern: Self.pattern(tensor.name), type: "\(tensor.dtype.rawValue) \(tensor.shape)")
      if counts[key] == nil { order.append(key) }
      let (count, bytes) = counts[key] ?? (0, 0)
      counts[key] = (count + 1, bytes + tensor.byteCount)
    }
    let limit = 200
    var rows = order.prefix(limit).map { key in
      let (count, bytes) = counts[key] ?? (0, 0)
      return [
        printable(key.pattern), key.type, count == 1 ? "" : "× \(grouped(count))", humanSize(bytes),
      ]
    }
    if order.count > limit {
      rows.append(["… and \(grouped(order.count - limit)) more; --tensors lists all", "", "", ""])
    }
    return Self.table(Array(rows))
  }

  /// The name with the numbers of layers and shards replaced: components that are numbers, or end in `_` and a number for layers and shards.
  private static func pattern(_ name: String) -> String {
    var result = ""
    for part in name.split(separator: /(?=[.\/])/, omittingEmptySubsequences: false) {
      let separator = part.prefix { $0 == "." || $0 == "/" }
      let component = part.dropFirst(separator.count)
      let prefix = ["shard_", "layer_", "layers_", "host_", ""].first {
        component.hasPrefix($0) && !component.dropFirst($0.count).isEmpty
          && component.dropFirst($0.count).allSatisfy(\.isNumber)
      }
      result += separator + (prefix.map { $0 + "*" } ?? String(component))
    }
    return result
  }

  private static func table(_ rows: [[String]]) -> [String] {
    var widths: [Int] = []
    for row in rows {
      for (column, cell) in row.enumerated() {
        if column == widths.count { widths.append(0) }
        widths[column] = max(widths[column], cell.count)
      }
    }
    return rows.map { row in
      var text = "  "
      for (column, cell) in row.enumerated() {
        text += cell + String(repeating: " ", count: widths[column] - cell.count + 2)
      }
      return String(text.reversed().drop { $0 == " " }.reversed())
    }
  }
}
