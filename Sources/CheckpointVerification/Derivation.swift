public import CheckpointConversion
public import FileContainers
import Foundation
import ModelSigning
public import TensorModel

/// That a checkpoint was made of a source, as it is signed: the predicate of an in-toto statement.
///
/// It proves origin, not harmlessness: nothing in it says that the source is worth trusting.
public struct Derivation: Sendable, Codable, Hashable {
  /// The JSON schema that it validates against.
  public static let schemaName = "derivation/v1"
  /// The schema's name.
  public var schema = Derivation.schemaName
  /// Who made it.
  public var tool = Certificate.Tool.current
  /// All of the conversion's certificate.
  public let certificate: Certificate
  /// What was converted.
  public let source: Origin
  /// The root of the checkpoint's tensors.
  public let root: Digest
  /// The digest of the plan.
  public let plan: Digest

  /// A source, by its tensors.
  public struct Origin: Sendable, Codable, Hashable {
    /// Its format.
    public let format: String
    /// The root of all tensors that it stores.
    public let root: Digest
  }

  init(certificate: Certificate, source: Origin, root: Digest, plan: Digest) {
    self.certificate = certificate
    self.source = source
    self.root = root
    self.plan = plan
  }

  /// Parses a predicate.
  ///
  /// - Throws: `malformed` if it isn't one.
  public init(_ predicate: JSONValue) throws(CheckpointError) {
    self = try JSONDocument.parse(
      Derivation.self, Array(predicate.documentText.utf8), file: "the signed derivation")
    guard schema == Self.schemaName else {
      throw CheckpointError(
        .malformed, "a derivation of another version", expected: Self.schemaName, found: schema)
    }
  }

  /// The predicate.
  ///
  /// - Throws: never for derivations made here.
  public var predicate: JSONValue {
    get throws(CheckpointError) { try JSONValue(parsing: JSONDocument.bytes(self)) }
  }
}
