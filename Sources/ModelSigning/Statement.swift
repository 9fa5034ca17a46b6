// What is signed: a statement of in-toto.
//
//   1. `_type`          https://in-toto.io/Statement/v1
//   2. `subject`        [{name, digest {algorithm: hexadecimal digits}}]: what it is about
//   3. `predicateType`  a URI: what kind of thing it says
//   4. `predicate`      what it says
//
// https://github.com/in-toto/attestation/tree/main/spec/v1

public import FileContainers
public import TensorModel

/// An in-toto statement, of whatever kind its predicate is.
public struct Statement: Hashable, Sendable {
  /// One thing that the statement is about.
  public struct Subject: Hashable, Sendable {
    /// Its name; nil where it has none.
    public let name: String?
    /// Its SHA-256; nil where only others are given.
    public let digest: Digest?

    /// A subject.
    public init(name: String?, digest: Digest?) {
      self.name = name
      self.digest = digest
    }
  }

  /// What it is about.
  public let subjects: [Subject]
  /// What kind of thing it says.
  public let predicateType: String
  /// What it says.
  public let predicate: JSONValue

  /// A model was derived from a source: this project's own kind.
  public static let derivationType = "urn:weighbridge:derivation:v1"
  private static let type = "https://in-toto.io/Statement/v1"

  /// A statement of our own.
  public init(subjects: [Subject], predicateType: String, predicate: JSONValue) {
    self.subjects = subjects
    self.predicateType = predicateType
    self.predicate = predicate
  }

  /// Parses a payload.
  ///
  /// Keys that in-toto doesn't know are left aside, as it wants.
  ///
  /// - Parameter payload: the bytes that were signed.
  /// - Throws: `malformed`.
  public init(parsing payload: [UInt8]) throws(CheckpointError) {
    let document = try JSONValue(parsing: payload)
    let place = "the statement"
    let type = try document.text("_type", in: place)
    guard type == Self.type else {
      throw CheckpointError(
        .malformed, "not a statement of in-toto", expected: Self.type, found: type)
    }
    var subjects: [Subject] = []
    for entry in try document.list("subject", in: place) {
      let name = entry["name"] == nil ? nil : try entry.text("name", in: "a subject")
      let digests = try entry.object("digest", in: "a subject")
      guard let sha256 = digests["sha256"] else {
        subjects.append(Subject(name: name, digest: nil))
        continue
      }
      guard let digest = sha256.text.flatMap({ Digest("sha256:\($0)") }) else {
        throw CheckpointError(
          .malformed, "a subject's sha256 isn't 64 hexadecimal digits", found: sha256.shortText)
      }
      subjects.append(Subject(name: name, digest: digest))
    }
    guard !subjects.isEmpty else {
      throw CheckpointError(.malformed, "the statement is about nothing: it has no subject")
    }
    self.subjects = subjects
    predicateType = try document.text("predicateType", in: place)
    predicate = try document.object("predicate", in: place)
  }

  /// The payload to sign.
  public var payload: [UInt8] {
    let subjects = subjects.map { subject -> JSONValue in
      let name = subject.name.map { [JSONValue.Member("name", .string($0))] } ?? []
      let digests = subject.digest.map {
        [JSONValue.Member("sha256", .string($0.hexadecimal))]
      }
      return .object(name + [.init("digest", .object(digests ?? []))])
    }
    let document: JSONValue = .object([
      .init("_type", .string(Self.type)), .init("subject", .array(subjects)),
      .init("predicateType", .string(predicateType)), .init("predicate", predicate),
    ])
    return Array(document.documentText.utf8)
  }
}
