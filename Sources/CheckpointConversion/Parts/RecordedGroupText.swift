import FileContainers
import TensorModel

// The JSON of a plan's groups, which an encoder takes ten times as long for: every part that comes first writes tens of thousands of them before it
// starts on data.

extension RecordedPlan.Group {
  /// The JSON of some groups, as an encoder with sorted keys writes it, but for what needs no escape.
  ///
  /// - Parameter groups: in order.
  /// - Returns: a list.
  /// - Throws: `inputOutput` if what a report says of a weight can't be encoded.
  static func json(_ groups: [RecordedPlan.Group]) throws(CheckpointError) -> [UInt8] {
    var text = Array("[".utf8)
    for (place, group) in groups.enumerated() {
      if place > 0 { text.append(UInt8(ascii: ",")) }
      try group.append(to: &text)
    }
    text.append(UInt8(ascii: "]"))
    return text
  }

  private func append(to text: inout [UInt8]) throws(CheckpointError) {
    text += "{".utf8
    if let chunk { text += "\"chunk\":\(Self.list(chunk.map(String.init))),".utf8 }
    if let filters { text += "\"filters\":\(Self.list(filters.map(JSONValue.quoted))),".utf8 }
    text += "\"tensors\":[".utf8
    for (place, tensor) in tensors.enumerated() {
      if place > 0 { text.append(UInt8(ascii: ",")) }
      tensor.append(to: &text)
    }
    text.append(UInt8(ascii: "]"))
    if let weight { text += Array(",\"weight\":".utf8) + (try RecordedPlan.json(weight)) }
    text.append(UInt8(ascii: "}"))
  }

  fileprivate static func list(_ elements: [String]) -> String {
    "[\(elements.joined(separator: ","))]"
  }
}

extension TensorStatement {
  fileprivate func append(to text: inout [UInt8]) {
    text += "{\"dtype\":\(JSONValue.quoted(dtype.rawValue))".utf8
    text += ",\"expression\":\(JSONValue.quoted(expression.text))".utf8
    text += ",\"file\":\(JSONValue.quoted(file))".utf8
    text += ",\"isOfValues\":\(isOfValues),\"isRepacked\":\(isRepacked)".utf8
    text += ",\"name\":\(JSONValue.quoted(name))".utf8
    text += ",\"shape\":\(RecordedPlan.Group.list(shape.dimensions.map(String.init)))".utf8
    text += ",\"sources\":\(RecordedPlan.Group.list(sources.names.map(JSONValue.quoted)))}".utf8
  }
}
