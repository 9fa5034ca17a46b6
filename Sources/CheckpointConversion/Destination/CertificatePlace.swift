import CheckpointFormats
import FileContainers
public import TensorModel

/// Where the certificate of a checkpoint is, and whether it speaks for it: a certificate speaks for the files that it names.
///
/// A directory has it under one name; one without has that of its only weight file. Beside a file it is called after the file, without its ending or,
/// where that name is another file's, with it: `model.certificate.json`, `model.gguf.certificate.json`.
public struct CertificatePlace: Sendable {
  /// The certificate's file name.
  public let name: String
  /// Whose it is.
  public let state: State

  /// Whose certificate is there.
  public enum State: Sendable {
    /// There is none.
    case absent
    /// It names the checkpoint's files.
    case own(CertificateText)
    /// It names others; here without its tensors.
    case ofOthers(Certificate)
    /// It can't be read.
    case unusable(CheckpointError)
  }

  /// Looks for the certificate of a checkpoint.
  ///
  /// - Parameters:
  ///   - path: of the checkpoint.
  ///   - files: the names of its weight files.
  /// - Throws: `inputOutput`, `interrupted`.
  public init(of path: String, files: [String]) throws(CheckpointError) {
    guard FileKind(of: path) != .directory else {
      var found = (
        Certificate.fileName,
        try Self.state(Certificate.fileName, in: path, speakingFor: Set(files))
      )
      // A file that was put into a folder with its certificate.
      if case .absent = found.1, files.count == 1 {
        for candidate in Certificate.fileNames(beside: files[0]) {
          let beside = try Self.state(candidate, in: path, speakingFor: Set(files))
          if case .own = beside { found = (candidate, beside) }
        }
      }
      (name, state) = found
      return
    }
    let (parent, file) = Directories.split(path)
    // The parts of a file share one.
    let wholes = [file] + [GGUFSplit.wholeName(ofPart: file)].compactMap { $0 }
    var first: (name: String, state: State)?
    for candidate in wholes.flatMap(Certificate.fileNames(beside:)) {
      let state = try Self.state(candidate, in: parent, speakingFor: [file])
      if case .own = state {
        (name, self.state) = (candidate, state)
        return
      }
      if case .absent = state { continue }
      first = first ?? (candidate, state)
    }
    (name, state) = first ?? (Certificate.fileNames(beside: file)[0], .absent)
  }

  private static func state(
    _ name: String, in folder: String, speakingFor files: Set<String>
  ) throws(CheckpointError) -> State {
    let path = "\(folder)/\(name)"
    guard fileExists(path) else { return .absent }
    do throws(CheckpointError) {
      let text = try CertificateText(at: path, file: name)
      let certificate = text.frame
      guard certificate.schema == Certificate.schemaName else {
        throw CheckpointError(
          .unsupported, "a certificate of another version", file: name,
          expected: Certificate.schemaName, found: certificate.schema,
          hint: "verify it with the version of weighbridge that wrote it")
      }
      let isOwn = certificate.files.contains { files.contains($0.name) }
      return isOwn ? .own(text) : .ofOthers(certificate)
    } catch {
      if error.code.isTransient { throw error }
      return .unusable(error.in(file: name))
    }
  }

  /// The name that the certificate of a new file gets: the first that isn't another's.
  ///
  /// - Parameters:
  ///   - file: the new file's name.
  ///   - folder: where it goes.
  ///   - isPart: tells the names of the files that it is cut into, or replaces.
  /// - Returns: the name.
  /// - Throws: `conflict` if all names are taken by certificates of files that are there.
  static func name(
    forNew file: String, in folder: String, isPart: (String) -> Bool
  ) throws(CheckpointError) -> String {
    let names = Certificate.fileNames(beside: file)
    for name in names {
      let path = "\(folder)/\(name)"
      guard fileExists(path) else { return name }
      let other: Certificate
      do throws(CheckpointError) { other = try Certificate(at: path, file: name) } catch {
        if error.code == .malformed { continue }
        throw error
      }
      let speaksForOther = other.files.contains {
        $0.name != file && !isPart($0.name) && fileExists("\(folder)/\($0.name)")
      }
      if !speaksForOther { return name }
    }
    throw CheckpointError(
      .conflict, "certificates of other files have the names that this one could have",
      file: "\(folder)/\(names[0])", hint: "choose another name for the destination")
  }
}
