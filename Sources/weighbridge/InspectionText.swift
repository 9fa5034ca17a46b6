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

  /// Gives the text line by line.
  func print(_ line: (String) -> Void) {
    line(field("format", "\(inspection.format), \(printable(inspection.layout))"))
    line(field("architecture", inspection.architecture.map(ColumnWidth.shown) ?? "not known"))
    switch inspection.attention {
    case AttentionMode.prefix.rawValue:
      line(field("attention", "prefix: the prompt is seen as a whole"))
    case AttentionMode.causal.rawValue: break
    default: line(field("attention", "other: masks that can't be expressed here"))
    }
    line(
      field(
        "parameters",
        inspection.parametersAreKnown ? grouped(inspection.parameterCount) : "known with the base"))
    if let quantization = inspection.quantization {
      line(
        field(
          "quantization",
          "\(quantization.method), \(counted(quantization.weightCount, "weight"))"))
    }
    line(
      field(
        "size",
        "\(humanSize(inspection.byteCount)) in \(counted(inspection.tensors.count, "tensor"))"
          + (sizeOnDisk.map { ", \($0) on disk" } ?? "")))
    line(field("dtypes", dtypes))
    if let base = inspection.base {
      let root = base.root.map { "root \($0)" } ?? "of a root that the update doesn't say"
      line(field("base", "\(ColumnWidth.shown(base.hint)), \(root)"))
    }
    if let precision = inspection.effectivePrecision {
      for (number, text) in PrecisionText.summary(precision).enumerated() {
        line(field(number == 0 ? "precision" : "", text))
      }
    }
    if let root = inspection.root { line(field("root", root.description)) }
    for (number, missing) in inspection.missing.enumerated() {
      line(field(number == 0 ? "missing" : "", Self.text(missing)))
    }
    if inspection.format == "gguf" {
      for (number, text) in metadata.enumerated() {
        line(field(number == 0 ? "metadata" : "", text))
      }
    } else if !inspection.metadata.isEmpty {
      line(field("metadata", metadata.joined(separator: ", ")))
    }
    line("")
    if listsTensors || inspection.hasDetails {
      Self.table(inspection.tensors.count, row: row, line)
    } else {
      let rows = groups
      Self.table(rows.count, row: { rows[$0] }, line)
    }
  }

  private func field(_ label: String, _ value: String) -> String {
    label.padding(toLength: 14, withPad: " ", startingAt: 0) + value
  }

  private var dtypes: String {
    var bytes: [DType: Int] = [:]
    for tensor in inspection.tensors { bytes[tensor.dtype, default: 0] += tensor.byteCount }
    return bytes.sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }
      .map { "\($0.key.rawValue) \(humanSize($0.value))" }.joined(separator: ", ")
  }

  /// The size of the files, where tensors are compressed in them.
  private var sizeOnDisk: String? {
    guard let size = inspection.fileByteCount, size < inspection.byteCount else { return nil }
    return humanSize(size)
  }

  private static func text(_ missing: Inspection.Missing) -> String {
    switch missing {
    case .configuration: "a configuration: forward, and other formats' names, need --config FILE"
    case .tokenizer: "a tokenizer: texts, and GGUF files, need --assets DIR"
    }
  }

  /// The first keys in their order, and how many more there are.
  private var metadata: [String] {
    var first: [(key: ExactName, value: String)] = []
    for (key, value) in inspection.metadata {
      if first.count == Self.shownKeyCount, let last = first.last, last.key < key { continue }
      let place = first.firstIndex { key < $0.key } ?? first.count
      first.insert((key, value), at: place)
      if first.count > Self.shownKeyCount { first.removeLast() }
    }
    var pairs = first.map {
      "\(ColumnWidth.shown($0.key.text)) = \(printable(String($0.value.prefix(60))))"
    }
    let more = inspection.metadata.count - first.count
    if more > 0 { pairs.append("… and \(grouped(more)) more; --json lists all") }
    return pairs
  }

  private static let shownKeyCount = 100

  private func row(_ place: Int) -> [String] {
    let tensor = inspection.tensors[place]
    var row = [
      tensor.name, tensor.dtype.rawValue, tensor.shape.description, humanSize(tensor.byteCount),
      tensor.file,
    ]
    if let values = tensor.statistics {
      row += [Self.text(values), PrecisionText.remark(tensor.dtype, values.effectivePrecision)]
    }
    if let digest = tensor.digest { row.append(digest.description) }
    return row
  }

  private static func text(_ values: TensorStatistics) -> String {
    func number(_ value: Double?) -> String { value.map { String(format: "%.5g", $0) } ?? "-" }
    return
      "min \(number(values.minimum)) max \(number(values.maximum)) mean \(number(values.mean)) std \(number(values.standardDeviation)) zeros \(grouped(values.zeroCount)) nan \(grouped(values.nanCount)) inf \(grouped(values.infinityCount))"
  }

  /// Tensors that differ only in the numbers of their layer or shard, in one line each.
  private var groups: [[String]] {
    struct Key: Hashable {
      let pattern: String
      let dtype: DType
      let shape: Shape
    }
    var places: [Key: Int] = [:]
    var groups: [(key: Key, count: Int, bytes: Int)] = []
    // Mostly a tensor is of the group of the one before.
    var last: (pattern: [UInt8], place: Int)?
    var pattern: [UInt8] = []
    for tensor in inspection.tensors {
      pattern.removeAll(keepingCapacity: true)
      Self.append(patternOf: tensor.name, to: &pattern)
      var place = last.flatMap { $0.pattern == pattern ? $0.place : nil }
      if let known = place,
        groups[known].key.dtype != tensor.dtype || groups[known].key.shape != tensor.shape
      {
        place = nil
      }
      if place == nil {
        let key = Key(
          pattern: String(decoding: pattern, as: UTF8.self), dtype: tensor.dtype,
          shape: tensor.shape)
        place = places[key]
        if place == nil {
          places[key] = groups.count
          groups.append((key, 0, 0))
        }
        last = (pattern, place ?? groups.count - 1)
      }
      let found = place ?? groups.count - 1
      groups[found].count += 1
      groups[found].bytes += tensor.byteCount
    }
    let limit = 200
    var rows = groups.prefix(limit).map { (key, count, bytes) in
      [
        key.pattern, "\(key.dtype.rawValue) \(key.shape)",
        count == 1 ? "" : "× \(grouped(count))", humanSize(bytes),
      ]
    }
    if groups.count > limit {
      rows.append(["… and \(grouped(groups.count - limit)) more; --tensors lists all", "", "", ""])
    }
    return rows
  }

  /// Appends the name with the numbers of layers and shards replaced: components that are numbers, or end in `_` and a number for layers and shards.
  static func append(patternOf name: String, to result: inout [UInt8]) {
    var start = result.count
    func endComponent() {
      // What can't be a number needn't be looked at closely.
      guard let end = result.last, (0x30...0x39).contains(end), start < result.count else { return }
      let component = result[start...]
      let prefix = numberedPrefixes.first { prefix in
        component.count > prefix.count && component.starts(with: prefix)
          && component.dropFirst(prefix.count).allSatisfy { (0x30...0x39).contains($0) }
      }
      guard let prefix else { return }
      result.removeSubrange((start + prefix.count)...)
      result.append(UInt8(ascii: "*"))
    }
    for byte in name.utf8 {
      let isEnd = byte == UInt8(ascii: ".") || byte == UInt8(ascii: "/")
      if isEnd { endComponent() }
      result.append(byte)
      if isEnd { start = result.count }
    }
    endComponent()
  }

  private static let numberedPrefixes = ["shard_", "layer_", "layers_", "host_", ""].map {
    Array($0.utf8)
  }

  /// Lines of a table whose rows are made twice, so that they needn't all be in memory: once for the widths of the columns.
  private static func table(_ count: Int, row: (Int) -> [String], _ line: (String) -> Void) {
    var columns: [ColumnWidth] = []
    for place in 0..<count {
      for (number, cell) in row(place).enumerated() {
        if number == columns.count { columns.append(ColumnWidth()) }
        columns[number].add(cell)
      }
    }
    for place in 0..<count {
      var text = " "
      let cells = row(place)
      for (number, cell) in cells.enumerated() {
        text += number == 0 ? " " : "  "
        text += number == cells.count - 1 ? ColumnWidth.shown(cell) : columns[number].padded(cell)
      }
      let end = text.utf8.lastIndex { $0 != UInt8(ascii: " ") }.map { text.utf8.index(after: $0) }
      line(String(text[..<(end ?? text.startIndex)]))
    }
  }
}
