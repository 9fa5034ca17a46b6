// Templates that turn a conversation into a text. transformers 5 reads chat_template.jinja, whose name is `default`, and
// additional_chat_templates/NAME.jinja; only where there are none, `chat_template` of tokenizer_config.json: a text, or a list of
// {"name", "template"}. Processors had chat_template.json. A GGUF file has tokenizer.chat_template, the default one,
// tokenizer.chat_template.NAME, and the names in tokenizer.chat_templates.

import CheckpointFormats
import FileContainers
import TensorModel

/// The templates of a checkpoint.
struct ChatTemplates {
  /// A template.
  struct Template {
    let name: String
    let text: String

    /// Names and texts are bytes: accents that are written in two ways are two texts.
    fileprivate func isSame(as other: Template) -> Bool {
      isNamed(other.name) && ExactName(text) == ExactName(other.text)
    }

    fileprivate func isNamed(_ name: String) -> Bool { ExactName(self.name) == ExactName(name) }
  }

  /// The file of the default one.
  static let fileName = "chat_template.jinja"
  /// The folder of the others.
  static let folder = "additional_chat_templates"
  /// The file of a processor.
  static let processorFileName = "chat_template.json"
  /// The key of the default one in a GGUF file.
  static let key = "tokenizer.chat_template"
  /// The key of the others' names.
  static let namesKey = "tokenizer.chat_templates"
  private static let configurationFile = "tokenizer_config.json"
  private static let standardName = "default"
  private static let maximumByteCount = 16 << 20

  /// In the order of the files; no name twice.
  private(set) var templates: [Template] = []
  /// Which aren't used, or get another name.
  private(set) var findings: [Finding] = []

  /// Whether a file is one of templates.
  static func isTemplate(_ name: String) -> Bool {
    name == fileName || name == processorFileName || folderName(name) != nil
  }

  /// The name of a template that has a file in the folder.
  private static func folderName(_ path: String) -> String? {
    let components = path.utf8.split(separator: UInt8(ascii: "/"))
    guard components.count == 2, components[0].elementsEqual(folder.utf8),
      path.hasSuffix(".jinja")
    else { return nil }
    return String(components[1].dropLast(".jinja".utf8.count))
  }

  /// The templates among a checkpoint's files.
  ///
  /// - Throws: `malformed` for files that can't be parsed, `unsupported` for large ones, `inputOutput`.
  init(_ assets: [Checkpoint.Asset]) throws(CheckpointError) {
    var sources: [(file: String, templates: [Template])] = []
    var own: [Template] = []
    let files = assets.filter { $0.name == Self.fileName }
    for asset in files + assets.filter({ Self.folderName($0.name) != nil }) {
      guard let text = String(validating: try Self.contents(asset), as: UTF8.self) else {
        throw CheckpointError(.malformed, "a template that isn't UTF-8", file: asset.name)
      }
      let name = Self.folderName(asset.name) ?? Self.standardName
      if own.contains(where: { $0.isNamed(name) }) {
        findings.append(
          Finding(
            .note, "chat-template", "takes the place of another one for '\(name)'",
            file: asset.name))
      }
      own.removeAll { $0.isNamed(name) }
      own.append(Template(name: name, text: text))
    }
    sources.append((Self.fileName, own))
    for file in [Self.configurationFile, Self.processorFileName] {
      guard let asset = assets.first(where: { $0.name == file }) else { continue }
      do throws(CheckpointError) {
        let value = try JSONFile.parse(try Self.contents(asset), file)["chat_template"] ?? .null
        let templates = Self.templates(value)
        sources.append((file, templates))
        let count = value.elements?.count ?? value.members?.count ?? (value == .null ? 0 : 1)
        if templates.count < count {
          findings.append(
            Finding(
              .warning, "chat-template",
              "left out: 'chat_template' has something other than templates with names",
              file: file))
        }
      } catch { throw error.in(file: file) }
    }
    guard let first = sources.first(where: { !$0.templates.isEmpty }) else { return }
    templates = first.templates
    for (file, others) in sources where file != first.file {
      let unused = others.filter { other in
        !templates.contains { $0.isSame(as: other) }
      }.map { "'\($0.name)'" }
      guard !unused.isEmpty else { continue }
      findings.append(
        Finding(
          .note, "chat-template",
          "not used, because \(first.file) has templates too: \(unused.joined(separator: ", "))",
          file: file))
    }
    if !templates.contains(where: { $0.name == Self.standardName }) {
      findings.append(
        Finding(
          .note, "chat-template",
          "no template is the default one: \(templates.map { "'\($0.name)'" }.joined(separator: ", "))",
          file: first.file))
    }
  }

  /// A text, a list of names and templates, or an object of them; of a name that stands twice the last counts.
  private static func templates(_ value: JSONValue?) -> [Template] {
    if let text = value?.text { return [Template(name: standardName, text: text)] }
    let pairs =
      value?.elements?.map { ($0["name"]?.text, $0["template"]?.text) }
      ?? value?.members?.map { ($0.key, $0.value.text) } ?? []
    var templates: [Template] = []
    for case (let name?, let text?) in pairs {
      templates.removeAll { $0.isNamed(name) }
      templates.append(Template(name: name, text: text))
    }
    return templates
  }

  private static func contents(_ asset: Checkpoint.Asset) throws(CheckpointError) -> [UInt8] {
    guard asset.byteCount <= maximumByteCount else {
      throw CheckpointError(
        .unsupported, "too large for a file of a tokenizer", file: asset.name,
        expected: "at most \(maximumByteCount) bytes", found: "\(asset.byteCount)")
    }
    return try asset.contents()
  }

  // MARK: Keys

  /// The keys, and what they say of names that aren't allowed there.
  func keys() -> (entries: [(key: String, value: GGUFValue)], findings: [Finding]) {
    var entries: [(key: String, value: GGUFValue)] = []
    var findings = findings
    var names: [String] = []
    for template in templates {
      guard template.name != Self.standardName else {
        entries.append((Self.key, .text(template.text)))
        continue
      }
      let name = Self.keyName(template.name)
      guard !name.isEmpty, name != Self.standardName, !names.contains(name) else {
        findings.append(
          Finding(
            .warning, "chat-template",
            "left out: a GGUF file has no other place for the template '\(template.name)'"))
        continue
      }
      if name != template.name {
        findings.append(
          Finding(
            .note, "chat-template",
            "the template '\(template.name)' is called '\(name)': names are letters and digits there"
          ))
      }
      names.append(name)
      entries.append(("\(Self.key).\(name)", .text(template.text)))
    }
    if !names.isEmpty { entries.append((Self.namesKey, .array(GGUFArray(names)))) }
    return (entries, findings)
  }

  /// A name as llama.cpp's converter writes it.
  private static func keyName(_ name: String) -> String {
    String(
      name.unicodeScalars.map { scalar in
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9": Character(scalar)
        default: "_"
        }
      })
  }

  /// `chat_template` of `tokenizer_config.json`, from the keys of a GGUF file; nil if there are none.
  static func value(_ header: GGUFHeader) -> JSONValue? {
    let standard = header[key]?.text
    var names = header[namesKey]?.array?.texts ?? []
    for entry in header.metadata where entry.key.hasPrefix("\(key).") {
      let name = String(entry.key.dropFirst(key.utf8.count + 1))
      if !names.contains(name) { names.append(name) }
    }
    var pairs = standard.map { [(standardName, $0)] } ?? []
    for name in names {
      if let text = header["\(key).\(name)"]?.text { pairs.append((name, text)) }
    }
    guard pairs.contains(where: { $0.0 != standardName }) else {
      return standard.map { .string($0) }
    }
    return .array(
      pairs.map { .object([.init("name", .string($0.0)), .init("template", .string($0.1))]) })
  }
}
