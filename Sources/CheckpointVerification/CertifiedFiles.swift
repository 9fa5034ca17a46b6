import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorModel

/// The files of a directory against those that its certificate lists, both ways: what was changed or lost since, and what has been added.
struct CertifiedFiles {
  private let source: Source
  private let path: String
  /// Whether the certificate is that of the folder, and not of its only weight file.
  private let isOfFolder: Bool

  /// A check of a checkpoint; of single files there is nothing to list.
  init(_ source: Source, _ path: String, _ place: CertificatePlace) {
    self.source = source
    self.path = path
    isOfFolder = place.name == Certificate.fileName
  }

  /// What is wrong.
  ///
  /// - Throws: what reading throws.
  func findings(_ certificate: Certificate) throws(CheckpointError) -> [Finding] {
    guard FileKind(of: path) == .directory else { return [] }
    var findings = weightFindings(certificate)
    guard isOfFolder else { return findings }
    for asset in certificate.assets { findings += try assetFindings(asset) }
    findings += try strangers(certificate)
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

  /// Weights and programs that have been put beside what was certified: neither goes along with a conversion.
  private func strangers(_ certificate: Certificate) throws(CheckpointError) -> [Finding] {
    let certified = Set(certificate.files.map { ExactName($0.name) })
    var findings: [Finding] = []
    for name in source.checkpoint.leftOut where !certified.contains(ExactName(name)) {
      let isProgram = name.hasSuffix(".py")
      guard isProgram || Self.weightEndings.contains(where: name.hasSuffix) else { continue }
      let place = try CertificatePlace(of: "\(path)/\(name)", files: [name])
      if case .own = place.state { continue }
      findings.append(
        Finding(
          .warning, "certificate-file-extra",
          isProgram
            ? "a program that isn't in the certificate: whoever trusts the model's code runs it"
            : "weights that aren't in the certificate", file: name))
    }
    return findings
  }

  private static let weightEndings = [
    ".safetensors", ".gguf", ".npz", ".npy", ".h5", ".bin", ".pt", ".pth", ".msgpack", ".pkl",
  ]

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
