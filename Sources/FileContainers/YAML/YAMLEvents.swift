internal import CYaml
import TensorModel

// libyaml, as Yams (https://github.com/jpsim/Yams) has it, event by event: the only file that sees it. What configurations have no need of, and
// what lets a small text stand for a large one, is refused where it stands: tags, anchors, aliases, a second document.

/// What a YAML text consists of, in order.
enum YAMLEvent {
  /// A scalar; plain ones may be numbers, truth values or nothing.
  case scalar(String, isPlain: Bool)
  /// A sequence begins.
  case sequenceStart
  /// A mapping begins; keys and values follow in turn.
  case mappingStart
  /// The innermost sequence or mapping ends.
  case end
  /// The text ends.
  case streamEnd
}

/// Reads a YAML text as events.
struct YAMLEvents: ~Copyable {
  private var parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
  private let isUsable: Bool
  private var documentCount = 0
  /// The line in which the last event begins, from 1.
  private(set) var line = 1

  /// Of a text that stays where it is as long as events are read.
  ///
  /// - Parameter text: in UTF-8.
  init(_ text: UnsafeBufferPointer<UInt8>) {
    parser.initialize(to: yaml_parser_t())
    isUsable = yaml_parser_initialize(parser) == 1
    guard isUsable else { return }
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
    yaml_parser_set_input_string(parser, text.baseAddress, text.count)
  }

  deinit {
    if isUsable { yaml_parser_delete(parser) }
    parser.deallocate()
  }

  /// The next event.
  ///
  /// - Throws: `malformed` with the line for what is no YAML; `unsupported` for a tag, an anchor, an alias or a second document.
  mutating func next() throws(CheckpointError) -> YAMLEvent {
    guard isUsable else { throw CheckpointError(.inputOutput, "no memory for reading YAML") }
    while true {
      var event = yaml_event_t()
      guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxError }
      defer { yaml_event_delete(&event) }
      line = Int(clamping: event.start_mark.line) + 1
      if let event = try known(event) { return event }
    }
  }

  private mutating func known(_ event: yaml_event_t) throws(CheckpointError) -> YAMLEvent? {
    switch event.type {
    case YAML_SCALAR_EVENT:
      let scalar = event.data.scalar
      try refuse(anchor: scalar.anchor, tag: scalar.tag)
      let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw error(.malformed, "text that isn't UTF-8")
      }
      return .scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
    case YAML_SEQUENCE_START_EVENT:
      let sequence = event.data.sequence_start
      try refuse(anchor: sequence.anchor, tag: sequence.tag)
      return .sequenceStart
    case YAML_MAPPING_START_EVENT:
      let mapping = event.data.mapping_start
      try refuse(anchor: mapping.anchor, tag: mapping.tag)
      return .mappingStart
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .end
    case YAML_ALIAS_EVENT: throw error(.unsupported, "an alias, which repeats another part")
    case YAML_DOCUMENT_START_EVENT:
      documentCount += 1
      guard documentCount == 1 else { throw error(.unsupported, "a second document") }
      let tags = event.data.document_start.tag_directives
      guard tags.start == tags.end else { throw error(.unsupported, "a directive for tags") }
      return nil
    case YAML_STREAM_END_EVENT: return .streamEnd
    default: return nil
    }
  }

  private func refuse(
    anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?
  ) throws(CheckpointError) {
    if anchor != nil { throw error(.unsupported, "an anchor, which other parts could repeat") }
    if tag != nil { throw error(.unsupported, "a tag, which says what kind of object to make") }
  }

  private var syntaxError: CheckpointError {
    let problem = parser.pointee.problem.map { String(cString: $0) } ?? "no YAML"
    let line = Int(clamping: parser.pointee.problem_mark.line) + 1
    return CheckpointError(.malformed, "line \(line): \(problem)")
  }

  /// An error about the last event.
  func error(_ code: CheckpointError.Code, _ message: String) -> CheckpointError {
    CheckpointError(
      code, "line \(line): \(message)", hint: "write it as plain keys, numbers, texts and lists")
  }
}
