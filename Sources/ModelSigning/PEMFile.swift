import FileContainers
import SwiftASN1
import TensorModel

/// The blocks of a PEM file, between whatever other text.
struct PEMFile {
  /// The path that the user gave.
  let path: String
  /// Kinds, such as `PUBLIC KEY`, and contents in DER.
  let blocks: [PEMDocument]

  /// The certificates of all public authorities take a quarter of a megabyte.
  static let maximumByteCount = 4 << 20

  /// Reads a file.
  ///
  /// - Throws: `missing`, `inputOutput`, `usage` for what isn't PEM.
  init(path: String) throws(CheckpointError) {
    try self.init(
      InputFile.contents(of: path, limit: Self.maximumByteCount, recordedIn: nil), path: path)
  }

  /// Takes a file's contents apart.
  ///
  /// - Throws: `usage` for what isn't PEM.
  init(_ bytes: [UInt8], path: String) throws(CheckpointError) {
    self.path = path
    // The text around the blocks can be in any encoding.
    let text = String(decoding: bytes, as: UTF8.self)
    if ["-----BEGIN ENCRYPTED", "Proc-Type: 4,ENCRYPTED"].contains(where: { text.contains($0) }) {
      throw Self.encrypted(path)
    }
    do { blocks = try PEMDocument.parseMultiple(pemString: text) } catch {
      throw CheckpointError(
        .usage, "is no PEM file that can be read", file: path,
        expected: "blocks of Base64 between -----BEGIN and -----END lines",
        found: "a block that is cut off, or isn't Base64", hint: Self.hint)
    }
    guard !blocks.isEmpty else {
      throw CheckpointError(
        .usage, "is no PEM file", file: path, expected: "a line that begins -----BEGIN",
        hint: Self.hint)
    }
  }

  private static let hint =
    "keys and certificates are given as PEM: `openssl pkey` and `openssl x509` write it"

  private static func encrypted(_ path: String) -> CheckpointError {
    CheckpointError(
      .usage, "the key is encrypted, and no password can be given", file: path,
      hint: "write it without one where nobody else can read it:",
      hintLines: [shellCommand("openssl pkcs8 -topk8 -nocrypt -out key.pem -in", path)])
  }

  /// The blocks of a kind.
  func blocks(_ kind: String) -> [[UInt8]] {
    blocks.filter { $0.discriminator == kind }.map(\.derBytes)
  }

  /// What is there, for messages.
  var contents: String { blocks.map(\.discriminator).joined(separator: ", ") }
}
