// A trainer's published update, weight_vNNNNNN/, as slime writes it for inference engines
// (https://github.com/THUDM/slime, slime/backends/megatron_utils/update_weight/update_weight_from_disk_delta.py):
//
// 1. model.safetensors.index.json: "weight_map" of the tensors that changed, and "metadata", all texts:
//      "version", "base_version"    six digits; the base's counter, which is no digest
//      "delta_encoding"             xor | overwrite; without it the folder is a complete checkpoint
//      "compression_format"         zstd
//      "checksum_format"            adler32 | xxh3-128 | blake3
// 2. model-00000-of-0000N.safetensors, counted from 0: each changed tensor is a U8 vector, one zstd frame;
//    "__metadata__" has the checksum of each tensor's new bytes
// 3. xor: the new bytes XOR the old ones. overwrite: u32 count, so many u32 positions of bytes, then the new bytes.
//
// Names are the base's; dtypes and shapes are nowhere but there. Ours say what the base and the result are, as roots:
//      "weighbridge.base_root", "weighbridge.root"

import FileContainers
import TensorModel

/// What the index of a trainer's update says.
public struct WeightDeltaIndex: Sendable {
  /// How new bytes are told.
  enum Encoding: String, Sendable {
    /// By their exclusive or with the old ones.
    case xor
    /// By their positions.
    case overwrite
  }

  /// The version, six digits.
  public let version: String
  /// The version that it changes.
  public let baseVersion: String
  let encoding: Encoding
  let checksum: ContentChecksum.Kind
  /// The root of the base's tensors, where the index says it.
  let baseRoot: Digest?
  /// The root of the result.
  let root: Digest?
  /// Which file has a changed tensor.
  let files: [ExactName: String]

  /// What it changes, in words.
  var versions: String { "\(encoding.rawValue), version \(version) of \(baseVersion)" }

  /// The keys of the roots.
  public static let (baseRootKey, rootKey) = ("weighbridge.base_root", "weighbridge.root")

  /// Whether an index is that of an update.
  static func isOne(_ bytes: [UInt8]) -> Bool {
    let document = try? JSONFile.parse(bytes, SafetensorsFormat.indexFileName)
    return document?["metadata"]?["delta_encoding"] != nil
  }

  /// Parses an index.
  ///
  /// - Throws: `malformed`; `unsupported` for encodings and checksums that aren't read.
  init(parsing bytes: [UInt8]) throws(CheckpointError) {
    do throws(CheckpointError) {
      let document = try JSONFile.parse(bytes, SafetensorsFormat.indexFileName)
      guard let metadata = document["metadata"], let members = document["weight_map"]?.members
      else {
        throw CheckpointError(
          .malformed, "the index lacks something", expected: "metadata and weight_map")
      }
      version = try Self.version("version", metadata)
      baseVersion = try Self.version("base_version", metadata)
      encoding = try Self.known("delta_encoding", metadata, "xor, overwrite", Encoding.init)
      _ = try Self.known("compression_format", metadata, "zstd") { $0 == "zstd" ? true : nil }
      checksum = try Self.known(
        "checksum_format", metadata,
        ContentChecksum.Kind.allCases.map(\.rawValue).joined(separator: ", "),
        ContentChecksum.Kind.init)
      baseRoot = try Self.root(Self.baseRootKey, metadata)
      root = try Self.root(Self.rootKey, metadata)
      var files: [ExactName: String] = [:]
      for member in members {
        guard let file = member.value.text, !file.isEmpty, file != ".", file != "..",
          !file.utf8.contains(UInt8(ascii: "/")), !file.utf8.contains(0)
        else {
          throw CheckpointError(
            .malformed, "not the name of a file beside the index", tensor: member.key,
            found: member.value.shortText)
        }
        files[ExactName(member.key)] = file
      }
      self.files = files
    } catch { throw error.in(file: SafetensorsFormat.indexFileName) }
  }

  private static func known<Value>(
    _ key: String, _ metadata: JSONValue, _ known: String, _ value: (String) -> Value?
  ) throws(CheckpointError) -> Value {
    guard let text = metadata[key]?.text, let value = value(text) else {
      throw CheckpointError(
        .unsupported, "an update with another '\(key)' than those that are read", expected: known,
        found: metadata[key]?.shortText ?? "none",
        hint: "have the trainer write another one: xor, zstd and xxh3-128 are its usual ones")
    }
    return value
  }

  /// A counter: six digits, or more where there have been so many.
  private static func version(
    _ key: String, _ metadata: JSONValue
  ) throws(CheckpointError) -> String {
    guard let text = metadata[key]?.text, (6...18).contains(text.utf8.count),
      text.utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else {
      throw CheckpointError(
        .malformed, "'\(key)' is no version", expected: "six digits",
        found: metadata[key]?.shortText ?? "none")
    }
    return text
  }

  private static func root(
    _ key: String, _ metadata: JSONValue
  ) throws(CheckpointError) -> Digest? {
    guard let text = metadata[key] else { return nil }
    guard let digest = text.text.flatMap(Digest.init) else {
      throw CheckpointError(
        .malformed, "'\(key)' is no root", expected: "sha256:<64 hexadecimal digits>",
        found: text.shortText)
    }
    return digest
  }
}
