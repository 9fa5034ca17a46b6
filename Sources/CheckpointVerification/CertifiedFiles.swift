import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorModel

/// The files of a directory against those that its certificate lists, both ways: what was changed or lost since, and what has been added.
struct CertifiedFiles {
  private let source: Source
  private let path: String

  /// A check of a checkpoint; of single files there is nothing to list.
  init(_ source: Source, _ path: String) {
    self.source = source
    self.path = path
  }

  /// What is wrong.
  ///
  /// - Throws: what reading throws.
  func findings(_ certificate: Certificate) throws(CheckpointError) -> [Finding] {
    guard FileKind(of: path) == .directory else { return [] }
    var findings = weightFindings(certificate)
    for asset in certificate.assets { findings += try assetFindings(asset) }
    let certified = Set(certificate.assets.map { ExactName($0.name) })
    for name in assetNames where !certified.contains(ExactName(name)) {
      findings.append(
        Finding(
          isHarmless(name) ? .warning : .error, "certificate-file-extra",
          "not in the certificate: added since, or left out of it", file: name))
    }
    return findings
  }

  private func weightFindings(_ certificate: Certificate) -> [Finding] {
    var findings: [Finding] = []
    for file in certificate.files {
      let size = source.checkpoint.files.first { $0.name == file.name }?.byteCount
      guard size != file.byteCount else { continue }
      findings.append(
        Finding(
          .error, "certificate-file-changed",
          "certified with \(file.byteCount) bytes, \(size.map { "found \($0)" } ?? "but no part of the checkpoint")",
          file: file.name))
    }
    return findings
  }

  /// The files beside the weights, as certificates call them.
  private var assetNames: [String] {
    if source.store != nil {
      return source.checkpoint.assets.map { "\(StoreFormat.assetFolder)/\($0.name)" }
    }
    let hasConfiguration = FileKind(of: "\(path)/config.json") == .file
    // An update's others lie with its base.
    let own = source.checkpoint.assets.map(\.name).filter {
      FileKind(ofEntry: "\(path)/\($0)") != nil
    }
    return (hasConfiguration ? ["config.json"] : []) + own
  }

  /// Texts for people, which no program that loads the model reads.
  private func isHarmless(_ name: String) -> Bool {
    let isTokenizer = Checkpoint.Asset.tokenizerNames.contains(name)
    return name.hasPrefix("LICENSE") || name.hasSuffix(".txt") && !isTokenizer
  }

  private func assetFindings(_ asset: Certificate.AssetRecord) throws(CheckpointError) -> [Finding]
  {
    let components = asset.name.utf8.split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard !asset.name.utf8.contains(0),
      !components.contains(where: { ["", ".", ".."].contains(String($0) ?? "") })
    else {
      return [
        Finding(
          .error, "certificate-claim", "names a file outside of the checkpoint: '\(asset.name)'")
      ]
    }
    let file: InputFile
    do throws(CheckpointError) { file = try InputFile(path: "\(path)/\(asset.name)") } catch {
      if error.code.isTransient { throw error }
      let found = PathObstacle.text("\(path)/\(asset.name)") ?? "a file that can't be read"
      return [
        Finding(
          .error, "certificate-file-missing", "missing or unreadable, found \(found)",
          file: asset.name)
      ]
    }
    let digest = try Digest(ofFile: file)
    if digest != asset.digest {
      return [
        Finding(
          .error, "certificate-file-changed",
          "has changed since it was certified, expected \(asset.digest), found \(digest)",
          file: asset.name)
      ]
    }
    guard file.byteCount != asset.byteCount else { return [] }
    return [
      Finding(
        .error, "certificate-file-changed",
        "certified with \(asset.byteCount) bytes, found \(file.byteCount)", file: asset.name)
    ]
  }
}
