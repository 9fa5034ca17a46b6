import FileContainers
import TensorModel

// What the formats of signatures need of JSON objects; every error says which member of which object is wrong.

extension JSONValue {
  /// Makes sure that this is an object without other keys than these.
  func requireKeys(among known: Set<String>, in place: String) throws(CheckpointError) {
    guard let members else {
      throw CheckpointError(.malformed, "\(place) is no object", found: shortText)
    }
    if let other = members.first(where: { !known.contains($0.key) }) {
      throw CheckpointError(.malformed, "\(place) has an unknown key", found: other.key)
    }
  }

  /// The member of a key, which is an object.
  func object(_ key: String, in place: String) throws(CheckpointError) -> JSONValue {
    guard let value = self[key], value.members != nil else {
      throw CheckpointError(
        .malformed, "\(place) needs an object '\(key)'",
        found: self[key]?.shortText ?? "no such key")
    }
    return value
  }

  /// The member of a key, which is a list.
  func list(_ key: String, in place: String) throws(CheckpointError) -> [JSONValue] {
    guard let elements = self[key]?.elements else {
      throw CheckpointError(
        .malformed, "\(place) needs a list '\(key)'", found: self[key]?.shortText ?? "no such key")
    }
    return elements
  }

  /// The member of a key, which is a text.
  func text(
    _ key: String, in place: String, mayBeEmpty: Bool = false
  ) throws(CheckpointError) -> String {
    guard let text = self[key]?.text, mayBeEmpty || !text.isEmpty else {
      throw CheckpointError(
        .malformed, "\(place) needs a text '\(key)'", found: self[key]?.shortText ?? "no such key")
    }
    return text
  }

  /// The bytes that a member has in base64.
  func base64(_ key: String, in place: String) throws(CheckpointError) -> [UInt8] {
    guard let bytes = Base64Text.decoded(try text(key, in: place)) else {
      throw CheckpointError(
        .malformed, "'\(key)' of \(place) isn't plain base64", found: self[key]?.shortText)
    }
    return bytes
  }
}

extension String {
  /// The text, unless it has nothing in it.
  var nonEmpty: String? { isEmpty ? nil : self }
}
