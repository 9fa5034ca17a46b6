import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorModel

/// All that a certificate says against what the same conversion gives when it is made again.
struct ReplayComparison {
  private let certificate: Certificate
  private let replay: Replay
  private let known: RecordedFileDigests

  /// - Parameters:
  ///   - certificate: of the checkpoint.
  ///   - replay: of the conversion that it states.
  ///   - known: digests of files that needn't be read.
  init(_ certificate: Certificate, _ replay: Replay, _ known: RecordedFileDigests) {
    self.certificate = certificate
    self.replay = replay
    self.known = known
  }

  private func finding(
    _ check: String, _ what: String, _ certified: String, _ found: String, file: String? = nil,
    tensor: String? = nil
  ) -> Finding {
    Finding(
      .error, check, "\(what), certified as \(certified), made again as \(found)", file: file,
      tensor: tensor)
  }

  // MARK: Source

  /// What says that the source is another one.
  ///
  /// - Throws: what reading the source's files for their digests throws.
  func sourceFindings() throws(CheckpointError) -> [Finding] {
    let (source, planned) = (certificate.source, replay.plan.source)
    var findings = [
      ("format", source.format, planned.format), ("layout", source.layout, planned.layout),
      ("architecture", source.architecture ?? "none", planned.architecture ?? "none"),
    ].filter { $0.1 != $0.2 }.map { what, certified, found in
      Finding(
        .error, "replay-source",
        "the source's \(what) is certified as '\(certified)', found '\(found)'")
    }
    guard !certificate.isOfStandardInput else { return findings }
    var others = Dictionary(
      replay.source.inputs.map { (ExactName($0.name), $0) }, uniquingKeysWith: { first, _ in first }
    )
    for record in certificate.inputs {
      guard let input = others.removeValue(forKey: ExactName(record.name)) else {
        findings.append(
          Finding(
            .error, "replay-source", "the certificate names this input, and the source has none",
            file: record.name))
        continue
      }
      let digest = record.digest == nil ? nil : try replay.source.digest(of: input, known)
      guard input.byteCount != record.byteCount || digest != record.digest else { continue }
      let (certified, found) =
        input.byteCount != record.byteCount
        ? (Self.size(record.byteCount), Self.size(input.byteCount))
        : (Self.text(record.digest), Self.text(digest))
      findings.append(
        Finding(
          .error, "replay-source",
          "the input is another, certified with \(certified), found \(found)",
          file: record.name))
    }
    for name in others.keys.sorted() {
      findings.append(
        Finding(
          .error, "replay-source", "the certificate doesn't name this input", file: name.text))
    }
    return findings
  }

  private static func size(_ byteCount: Int?) -> String {
    byteCount.map { counted($0, "byte") } ?? "an unknown size"
  }

  private static func text(_ digest: Digest?) -> String { digest.map { "\($0)" } ?? "none" }

  // MARK: Plan

  /// Where the plan that the certificate states isn't the one that its settings come to.
  func planFindings() -> [Finding] {
    let plan = replay.plan
    var findings = tensorFindings()
    findings += fileFindings()
    if let certified = certificate.attention, certified != plan.attention {
      findings.append(
        finding("replay-plan", "the attention", certified.rawValue, plan.attention.rawValue))
    }
    // Said once: with other inputs, tensors or files the digest is another, too.
    if findings.isEmpty, certificate.plan != replay.planDigest {
      findings.append(
        finding("replay-plan", "the plan's digest", "\(certificate.plan)", "\(replay.planDigest)"))
    }
    return findings
  }

  /// That other files were left out than this source has, which says nothing of what was made of the others.
  func leftOutFindings(_ severity: Finding.Severity) -> [Finding] {
    let certified = Set(certificate.leftOut.map { ExactName($0) })
    let found = Set(replay.plan.leftOut.map { ExactName($0) })
    func texts(_ names: Set<ExactName>) -> [String] { names.sorted().map(\.text) }
    return texts(certified.subtracting(found)).map {
      Finding(
        severity, "replay-plan",
        "the certificate says that this file was left out, and the source has none", file: $0)
    }
      + texts(found.subtracting(certified)).map {
        Finding(
          severity, "replay-plan",
          "the source has this file, which isn't carried along: the certificate doesn't say so",
          file: $0)
      }
  }

  private static func list(_ names: [String]) -> String {
    names.isEmpty ? "none" : names.map { "'\($0)'" }.joined(separator: ", ")
  }

  /// That the source gives tensors of other names, if it does: then it is another model, and nothing can be compared.
  func otherTensors() -> Finding? {
    let certified = Set(certificate.tensors.map { ExactName($0.name) })
    let planned = Set(replay.plan.tensors.map { ExactName($0.name) })
    guard certified != planned else { return nil }
    let (missing, extra) = (certified.subtracting(planned), planned.subtracting(certified))
    func text(_ names: Set<ExactName>) -> String {
      names.isEmpty ? "none" : "\(names.count), such as '\(names.min()?.text ?? "")'"
    }
    return Finding(
      .error, "replay-plan",
      "tensors that the certificate has and the source doesn't give: \(text(missing)); the other way round: \(text(extra))"
    )
  }

  private func tensorFindings() -> [Finding] {
    var findings: [Finding] = []
    let certified = Dictionary(
      certificate.tensors.map { (ExactName($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    for tensor in replay.plan.tensors {
      guard let record = certified[ExactName(tensor.name)] else { continue }
      let file = replay.plan.fileName(of: tensor)
      for (what, certified, found) in [
        (
          "its type", "\(record.dtype.rawValue) \(record.shape)",
          "\(tensor.type.dtype.rawValue) \(tensor.type.shape)"
        ),
        ("its file", record.file, file),
        ("its expression", record.expression, tensor.expression.description),
        ("its sources", Self.list(record.sources), Self.list(tensor.expression.sources)),
      ] where certified != found {
        findings.append(
          finding("replay-plan", what, certified, found, file: file, tensor: tensor.name))
      }
    }
    return findings
  }

  private func fileFindings() -> [Finding] {
    let plan = replay.plan
    var findings: [Finding] = []
    // How large a compressed volume becomes isn't planned.
    let sizes = plan.weightFiles.map { $0.layout?.byteCount }
    let planned = zip(plan.weightFiles, sizes).map { Self.file($0.name, $1) }
    let certified = certificate.files.enumerated().map { place, file in
      Self.file(
        file.name, sizes.indices.contains(place) && sizes[place] == nil ? nil : file.byteCount)
    }
    if certified != planned {
      findings.append(
        finding("replay-plan", "the files", Self.list(certified), Self.list(planned)))
    }
    var assets = Dictionary(
      certificate.assets.map { (ExactName($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    if assets.count < certificate.assets.count {
      findings.append(
        Finding(.error, "replay-plan", "the certificate names a file beside the weights twice"))
    }
    for sidecar in plan.sidecars {
      let record = assets.removeValue(forKey: ExactName(sidecar.name))
      guard record?.digest != sidecar.digest || record?.byteCount != sidecar.byteCount else {
        continue
      }
      findings.append(
        finding(
          "replay-plan", "the file", Self.text(record?.digest), Self.text(sidecar.digest),
          file: sidecar.name))
    }
    let missing = certificate.assets.map(\.name).filter { assets[ExactName($0)] != nil }
    if !missing.isEmpty {
      findings.append(
        Finding(
          .error, "replay-plan",
          "the certificate names files that this source doesn't give: \(Self.list(missing)); if they were carried along from elsewhere, name their directory by --assets"
        ))
    }
    return findings
  }

  private static func file(_ name: String, _ byteCount: Int?) -> String {
    byteCount.map { "\(name) (\(counted($0, "byte")))" } ?? name
  }

  /// That the base isn't as a whole the one that was named, if so: made again, a difference names the given one.
  ///
  /// What it is called isn't compared: it may lie elsewhere.
  ///
  /// - Parameter written: the checkpoint that is verified.
  /// - Returns: a finding for whatever names another.
  func baseFindings(_ written: Source) -> [Finding] {
    guard let made = replay.plan.base?.root else { return [] }
    return [
      (certificate.base?.root, nil), (written.store?.manifest.base?.root, StoreFormat.manifestName),
    ].compactMap { named, file in
      guard let named, named != made else { return nil }
      return finding("replay-plan", "the base's root", "\(named)", "\(made)", file: file)
    }
  }

  // MARK: Results

  /// Tensors that come out different, and what else the certificate says of them that isn't so.
  ///
  /// - Parameters:
  ///   - results: of the conversion that was made again.
  ///   - stored: the checkpoint's tensors as they are.
  /// - Returns: a finding for each.
  func resultFindings(
    _ results: (tensors: [Certificate.TensorRecord], findings: [Finding]),
    _ stored: [TensorIdentity]
  ) -> [Finding] {
    let check = "replay-difference"
    var findings: [Finding] = []
    let identities = Dictionary(
      stored.map { (ExactName($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    let certified = Dictionary(
      certificate.tensors.map { (ExactName($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    for tensor in results.tensors {
      let name = ExactName(tensor.name)
      guard let identity = identities[name] else {
        findings.append(
          Finding(
            .error, check, "the conversion gives this tensor, and the checkpoint has none",
            file: tensor.file, tensor: tensor.name))
        continue
      }
      if identity.digest != tensor.digest {
        findings.append(
          Finding(
            .error, check,
            "made again it is another, expected \(tensor.digest), found \(identity.digest)",
            file: tensor.file, tensor: tensor.name))
      }
      guard let record = certified[name] else { continue }
      for (what, certified, found) in [
        ("its digest", "\(record.digest)", "\(tensor.digest)"),
        ("its exactness", record.exactness.rawValue, tensor.exactness.rawValue),
        ("its largest_error_ulp", "\(record.largestErrorUlp)", "\(tensor.largestErrorUlp)"),
        ("its overflow_count", "\(record.overflowCount)", "\(tensor.overflowCount)"),
        (
          "its errors of blocks", Self.text(record.quantization), Self.text(tensor.quantization)
        ),
      ] where certified != found && (what != "its digest" || identity.digest == tensor.digest) {
        findings.append(
          finding(check, what, certified, found, file: tensor.file, tensor: tensor.name))
      }
    }
    return findings + findingDifferences(results.findings)
  }

  /// What the certificate says that nothing brings up, and the other way round.
  private func findingDifferences(_ found: [Finding]) -> [Finding] {
    let (said, made) = (Set(certificate.findings), Set(found))
    let missing = found.filter { !$0.isOfPlace && !said.contains($0) }
    let extra = certificate.findings.filter { !$0.isOfPlace && !made.contains($0) }
    return missing.map { ("leaves out", $0) }.map(Self.finding)
      + extra.map { ("has, and nothing brings up,", $0) }.map(Self.finding)
  }

  private static func finding(_ what: String, _ other: Finding) -> Finding {
    Finding(
      .error, "replay-difference", "the certificate \(what) '\(other.check)': \(other.message)",
      file: other.file, tensor: other.tensor)
  }

  /// That another importance matrix was given, if that is what all expressions differ in.
  func otherImportance() -> Finding? {
    let settings = certificate.settings?.quantization
    let names = [settings?.importance, settings?.hessian].compactMap { $0 }
    guard !names.isEmpty else { return nil }
    let records = Dictionary(
      certificate.tensors.map { (ExactName($0.name), $0) }, uniquingKeysWith: { first, _ in first })
    var isOther = false
    for tensor in replay.plan.tensors {
      guard let record = records[ExactName(tensor.name)] else { return nil }
      let found = tensor.expression.description
      guard record.expression != found else { continue }
      guard Self.withoutDigests(record.expression) == Self.withoutDigests(found) else {
        return nil
      }
      isOther = true
    }
    return isOther
      ? Finding(
        .error, "replay-plan",
        "the weights were quantized with \(settings?.hessian == nil ? "another importance matrix than the given one" : "other second moments or importances than the given ones"): '\(printable(names.joined(separator: "', '")))'"
      )
      : nil
  }

  private static func withoutDigests(_ expression: String) -> String {
    expression.replacing(#/[0-9a-f]{64}/#, with: "")
  }

  private static func text(_ record: QuantizationRecord?) -> String {
    guard let record, let text = try? JSONDocument.bytes(record) else { return "none" }
    return String(decoding: text, as: UTF8.self).split(whereSeparator: \.isWhitespace)
      .joined(separator: " ")
  }
}
