// What OpenSSF Model Signing's predicate `https://model_signing/signature/v1.0` says of a model.
//
//   1. `serialization`  `method` files, `hash_type` sha256, `allow_symlinks`, `ignore_paths`: what was hashed, and how
//   2. `resources`      [{name, algorithm, digest}]: every file
//   3. the subject      SHA-256 over the raw digests, in the order of `resources`; names are protected by the signature alone
//
// https://github.com/ossf/model-signing-spec/blob/main/spec/v1.0.md

import FileContainers
import TensorModel

/// The files that a signature is about.
struct SignedFiles: Hashable, Sendable {
  /// One file.
  struct File: Hashable, Sendable {
    let name: String
    let digest: Digest
  }

  /// Names are relative to the model's folder.
  var files: [File]
  /// Paths that the signer left out, with all that lies there.
  var ignoredPaths: [String]
  /// Files that needn't be signed, because other checks are about them.
  var exempt: Set<ExactName> = []

  /// How a model that is one file was named before 1.1.0.
  static let wholeName = "."
}

/// The predicate of a signed model.
struct ModelPredicate {
  static let typePrefix = "https://model_signing/signature/v1."
  private static let type = "https://model_signing/signature/v1.0"
  /// Every file is compared with every one of them.
  private static let maximumIgnoredPathCount = 1000

  /// At the top of a model's folder only.
  static let standardIgnoredPaths = ModelFolder.ofGit

  /// Whether a predicate type is this one, or one of a later minor version.
  static func isType(_ type: String) -> Bool {
    let minor = type.utf8.dropFirst(typePrefix.utf8.count)
    return type.hasPrefix(typePrefix) && (1...4).contains(minor.count)
      && minor.allSatisfy { (0x30...0x39).contains($0) }
  }

  /// The statement about a model's files.
  ///
  /// - Parameters:
  ///   - model: the folder's name.
  ///   - files: in the order of their names' code points.
  ///   - ignoredPaths: what was left out besides the usual.
  /// - Returns: a statement to sign.
  static func statement(
    of model: String, _ files: [SignedFiles.File], ignoring ignoredPaths: [String]
  ) -> Statement {
    let resources = files.map { file -> JSONValue in
      .object([
        .init("name", .string(file.name)), .init("algorithm", "sha256"),
        .init("digest", .string(file.digest.hexadecimal)),
      ])
    }
    let ignored = (standardIgnoredPaths + ignoredPaths).map { JSONValue.string($0) }
    let serialization: JSONValue = .object([
      .init("method", "files"), .init("hash_type", "sha256"), .init("allow_symlinks", false),
      .init("ignore_paths", .array(ignored)),
    ])
    return Statement(
      subjects: [.init(name: model, digest: root(of: files))], predicateType: type,
      predicate: .object([
        .init("serialization", serialization), .init("resources", .array(resources)),
      ]))
  }

  private static func root(of files: [SignedFiles.File]) -> Digest {
    var stream = StreamingDigest()
    for file in files { file.digest.bytes.withUnsafeBytes { stream.update($0) } }
    return stream.digest
  }

  /// Takes the files out of a signed statement.
  ///
  /// - Throws: a refusal: other methods by their name, names that stand twice or lead out of the folder, a digest that isn't of these files.
  static func files(_ statement: Statement) throws(SignatureRefusal) -> SignedFiles {
    do throws(CheckpointError) {
      // A later minor version may say more; this one may not.
      if statement.predicateType == type {
        try statement.predicate.requireKeys(
          among: ["serialization", "resources"], in: "the predicate")
        try statement.predicate.object("serialization", in: "the predicate").requireKeys(
          among: ["method", "hash_type", "allow_symlinks", "ignore_paths", "shard_size"],
          in: "serialization")
      }
    } catch { throw SignatureRefusal(error) }
    let serialization: JSONValue
    let resources: [JSONValue]
    let (method, hash): (String, String)
    do throws(CheckpointError) {
      serialization = try statement.predicate.object("serialization", in: "the predicate")
      resources = try statement.predicate.list("resources", in: "the predicate")
      method = try serialization.text("method", in: "serialization")
      hash = try serialization.text("hash_type", in: "serialization")
    } catch { throw SignatureRefusal(error) }
    guard method == "files", hash == "sha256" else {
      throw SignatureRefusal(
        .method,
        "signed by the method '\(method)' with '\(hash)'; only 'files' with 'sha256' is supported")
    }
    let files = try files(resources)
    guard statement.subjects.count == 1, statement.subjects[0].digest == root(of: files) else {
      throw SignatureRefusal(
        .format, "the statement's subject isn't the model: its SHA-256 isn't that of the digests")
    }
    return SignedFiles(files: files, ignoredPaths: try ignoredPaths(serialization))
  }

  private static func files(
    _ resources: [JSONValue]
  ) throws(SignatureRefusal) -> [SignedFiles.File] {
    guard !resources.isEmpty else {
      throw SignatureRefusal(.format, "the signature is about no files")
    }
    var files: [SignedFiles.File] = []
    for resource in resources {
      let (name, algorithm, hexadecimal): (String, String, String)
      do throws(CheckpointError) {
        name = try resource.text("name", in: "a resource")
        algorithm = try resource.text("algorithm", in: "a resource")
        hexadecimal = try resource.text("digest", in: "a resource")
      } catch { throw SignatureRefusal(error) }
      guard algorithm == "sha256" else {
        throw SignatureRefusal(
          .method, "'\(name)' is signed with '\(algorithm)'; only 'sha256' is supported")
      }
      guard let digest = Digest("sha256:\(hexadecimal)") else {
        throw SignatureRefusal(.format, "the digest of '\(name)' isn't 64 hexadecimal digits")
      }
      files.append(.init(name: name, digest: digest))
    }
    try files.requireUsableNames()
    return files
  }

  private static func ignoredPaths(_ value: JSONValue) throws(SignatureRefusal) -> [String] {
    guard let list = value["ignore_paths"] else { return [] }
    guard (list.elements?.count ?? 0) <= maximumIgnoredPathCount else {
      throw SignatureRefusal(.format, "more than \(maximumIgnoredPathCount) ignore_paths")
    }
    var paths: [String] = []
    for entry in list.elements ?? [.null] {
      guard let path = entry.text, RelativePath.isUsable(path),
        !path.unicodeScalars.contains(where: { "*?[".unicodeScalars.contains($0) })
      else {
        throw SignatureRefusal(
          .format,
          "ignore_paths may hold relative paths without '.' and '..' only, found \(entry.shortText)"
        )
      }
      paths.append(path)
    }
    return paths
  }
}

extension [SignedFiles.File] {
  /// Makes sure that every name is one in the model's folder, and stands once.
  func requireUsableNames() throws(SignatureRefusal) {
    var names: Set<ExactName> = []
    for file in self {
      guard RelativePath.isUsable(file.name) || file.name == SignedFiles.wholeName && count == 1
      else {
        throw SignatureRefusal(
          .format, "the signature names '\(file.name)', which is no path in the model's folder")
      }
      guard names.insert(ExactName(file.name)).inserted else {
        throw SignatureRefusal(.nameTwice, "the signature names '\(file.name)' twice")
      }
    }
  }
}

/// Paths below a model's folder.
enum RelativePath {
  /// Whether a path stays in the folder and is written in the one way that there is: no empty component, no `.` and no `..`.
  static func isUsable(_ path: String) -> Bool {
    let components = path.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false)
    return !path.utf8.contains(0)
      && !components.contains { ["", ".", ".."].contains(String($0)) }
  }

  /// Whether a path is another one or lies below it.
  static func isInside(_ path: String, _ folder: String) -> Bool {
    let (path, folder) = (path.utf8, folder.utf8)
    guard path.starts(with: folder) else { return false }
    let rest = path.dropFirst(folder.count)
    return rest.isEmpty || rest.first == UInt8(ascii: "/")
  }
}
