import FileContainers
import Foundation
import TensorEvaluation
public import TensorModel

/// JSON as all of the tool's documents are written: keys sorted and in snake case, slashes as they are.
public enum JSONDocument {
  /// A document's text, with a line feed at its end.
  public static func bytes(_ document: some Encodable) throws(CheckpointError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    do { return [UInt8](try encoder.encode(document)) + [UInt8(ascii: "\n")] } catch {
      throw CheckpointError(.inputOutput, "can't write JSON: \(error)")
    }
  }

  /// Reads a document of ours.
  ///
  /// - Throws: `malformed` if it isn't one.
  public static func parse<Document: Decodable>(
    _ type: Document.Type, _ bytes: [UInt8], file: String
  ) throws(CheckpointError) -> Document {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do { return try decoder.decode(type, from: Data(bytes)) } catch {
      throw CheckpointError(
        .malformed, "not a document of weighbridge: \(Self.reason(error))", file: file)
    }
  }

  private static func reason(_ error: any Error) -> String {
    switch error {
    case DecodingError.dataCorrupted(let context), DecodingError.typeMismatch(_, let context),
      DecodingError.valueNotFound(_, let context):
      context.debugDescription
    case DecodingError.keyNotFound(let key, _): "no '\(key.stringValue)'"
    default: "\(error)"
    }
  }
}

/// The JSON of a plan.
struct PlanDocument: Encodable {
  var schema = "plan/v1"
  let tool: Certificate.Tool
  let source: ConversionPlan.SourceDescription
  let format: String
  let settings: Settings
  let attention: AttentionMode
  let inputs: [Certificate.InputRecord]
  let tensors: [Tensor]
  let files: [Certificate.FileRecord]
  let assets: [Certificate.AssetRecord]
  let leftOut: [String]
  let findings: [Finding]
  let byteCount: Int

  struct Settings: Encodable {
    let dtype: String
    let allowOverflow: Bool
    let compression: String?
  }

  struct Tensor: Encodable {
    let name: String
    let dtype: DType
    let shape: Shape
    let file: String
    let byteOffset: Int?
    let byteCount: Int
    let expression: String
    let sources: [String]
  }

  init(_ plan: ConversionPlan, inputs: [Certificate.InputRecord]) {
    tool = .current
    source = plan.source
    format = plan.format
    settings = Settings(
      dtype: plan.settings.dtype?.rawValue ?? "keep", allowOverflow: plan.settings.allowOverflow,
      compression: plan.settings.compression?.description)
    attention = plan.attention
    self.inputs = inputs
    tensors = plan.tensors.map {
      Tensor(
        name: $0.name, dtype: $0.type.dtype, shape: $0.type.shape,
        file: plan.weightFiles[$0.file].name, byteOffset: $0.place?.byteOffset,
        byteCount: $0.byteCount,
        expression: $0.expression.description, sources: $0.expression.sources)
    }
    files = plan.fileRecords
    assets = plan.assetRecords
    leftOut = plan.leftOut
    findings = plan.findings
    byteCount = plan.byteCount
  }
}

extension ConversionPlan {
  /// The files that hold tensors, as documents list them; volumes of a store with the most that they can have.
  var fileRecords: [Certificate.FileRecord] {
    weightFiles.map { .init(name: $0.name, byteCount: $0.byteCount) }
  }

  /// The other files, as documents list them.
  var assetRecords: [Certificate.AssetRecord] {
    sidecars.map { .init(name: $0.name, byteCount: $0.byteCount, digest: $0.digest) }
  }
}
