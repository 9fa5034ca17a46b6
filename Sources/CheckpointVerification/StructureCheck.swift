import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorModel

/// Finds everything that is wrong with a checkpoint that doesn't open: opening stops at the first.
struct StructureCheck {
  private let path: String

  init(_ path: String) { self.path = path }

  /// What opening has brought up, with the weight that it has for whoever loads the model.
  ///
  /// - Parameters:
  ///   - checkpoint: that was opened.
  ///   - selection: what else is looked at, and says what is wrong with its own files.
  /// - Returns: findings.
  static func findings(of checkpoint: Checkpoint, _ selection: CheckSelection) -> [Finding] {
    let lists = [CheckpointManifest.fileName, CheckpointManifest.sumsName]
    return checkpoint.findings.compactMap { finding in
      guard !ContentsCheck.kinds.contains(finding.check) || !selection.runs(.contents)
      else { return nil }
      guard finding.check == "unreadable-file", let name = finding.file else { return finding }
      let isSaid =
        lists.contains(name) && selection.runs(.digests)
        || name == Certificate.fileName && selection.runs(.certificate)
        || name == "config.json" && checkpoint.configurationError != nil
          && selection.runs(.configuration)
      // Programs stop at a folder or a link to nowhere in a file's place, and wait for a pipe.
      let isLoaded = SidecarSoundness.isLoaded(Directories.split(name).name)
      return isSaid ? nil : isLoaded ? finding.with(.error) : finding
    }
  }

  /// The error of opening the whole, and those of its files on their own.
  func findings(after error: CheckpointError) throws(CheckpointError) -> [Finding] {
    var findings = [Self.finding(error)] + error.others
    guard FileKind(of: path) == .directory else { return findings }
    let names = try DirectoryTree(path: path).children(of: "")
    // What opening said of a file needn't be said again.
    findings += try storeFindings(names).filter { found in
      !findings.contains { $0.file == found.file && $0.check == found.check }
    }
    for name in names where name.hasSuffix(".safetensors") {
      do throws(CheckpointError) { _ = try Source("\(path)/\(name)") } catch {
        if error.code.isTransient { throw error }
        let finding = Self.finding(error)
        // Opened as a part of the whole it has its own name, and alone its path.
        let isKnown = findings.contains {
          [name, "\(path)/\(name)", finding.file].contains($0.file) && $0.check == finding.check
            && $0.message == finding.message && $0.tensor == finding.tensor
        }
        if !isKnown { findings.append(finding) }
      }
    }
    return findings
  }

  /// What keeps a file from being opened, by what is wrong with it.
  private static func finding(_ error: CheckpointError) -> Finding {
    let check =
      switch error.code {
      case .missing: "file-missing"
      case .unsupported: "file-unsupported"
      case .corrupt: "file-checksum"
      default: "file-malformed"
      }
    return Finding(check, error)
  }

  /// Every file of a store that is missing or of another size, as its manifest says.
  private func storeFindings(_ names: [String]) throws(CheckpointError) -> [Finding] {
    guard names.contains(StoreFormat.manifestName) else { return [] }
    let manifest = try ifUsable { () throws(CheckpointError) in
      try StoreManifest(
        parsing: InputFile.contents(
          of: "\(path)/\(StoreFormat.manifestName)", limit: Certificate.maximumByteCount,
          recordedIn: nil))
    }
    guard let manifest else { return [] }
    let others = [manifest.links, manifest.chunkTable, manifest.certificate]
    let files =
      manifest.volumes.map { ($0.name, $0.byteCount) } + others.map { ($0.name, $0.byteCount) }
      + manifest.assets.map { ("\(StoreFormat.assetFolder)/\($0.name)", $0.byteCount) }
    return files.compactMap { name, byteCount in
      guard let file = try? InputFile(path: "\(path)/\(name)") else {
        let found = PathObstacle.text("\(path)/\(name)")
        return Finding(
          .error, "file-missing",
          found == nil || found == "nothing"
            ? "a file of the store is not there"
            : "not a file that can be read, found \(found ?? "")",
          file: name)
      }
      guard file.byteCount != byteCount else { return nil }
      return Finding(
        .error, "file-size",
        "of another size, expected \(byteCount) bytes, found \(file.byteCount)",
        file: name)
    }
  }
}
