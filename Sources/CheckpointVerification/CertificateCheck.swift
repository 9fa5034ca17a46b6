import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

/// A checkpoint against the certificate that its conversion has left beside it.
struct CertificateCheck {
  private let source: Source
  private let path: String
  /// Whether another check makes the checkpoint again, and so looks at all that isn't looked at here.
  private let isReplayed: Bool

  init(_ source: Source, _ path: String, isReplayed: Bool) {
    self.source = source
    self.path = path
    self.isReplayed = isReplayed
  }

  /// Records the check.
  ///
  /// - Parameters:
  ///   - report: of the verification.
  ///   - contents: the tensors' digests, in the checkpoint's order; nil where not all can be read.
  /// - Returns: the certificate, if there is one that speaks for the checkpoint.
  /// - Throws: `inputOutput`, `interrupted`.
  func run(
    _ report: inout VerificationReport, _ contents: [TensorIdentity]?
  ) throws(CheckpointError) -> CertificateText? {
    // What reading the tensors took makes room.
    PageArena.shared.releaseIdle()
    PageArena.trimHeap()
    let place = try CertificatePlace(of: path, files: source.checkpoint.files.map(\.name))
    switch place.state {
    case .absent: report.skip(.certificate, .absent, "there is no \(place.name)")
    case .ofOthers(let certificate):
      // In a directory there is one certificate, which is for the files in it.
      let isOfFolder = certificate.files.isEmpty || FileKind(of: path) == .directory
      let folder = Directories.split(path).parent
      let named = certificate.files.map(\.name)
      // Beside a file, it may be that of another one there.
      let areThere = named.contains { FileKind(of: "\(folder)/\($0)") != nil }
      if isOfFolder || !areThere {
        let finding = Finding(
          .error, "certificate-of-others",
          isOfFolder
            ? "names none of the checkpoint's files: it was changed, or is another's"
            : "is of '\(named[0])', which isn't here: if the file was renamed with its certificate, give it that name again",
          file: place.name)
        report.record(.certificate, [finding], "\(place.name) speaks for nothing here")
      } else {
        report.skip(
          .certificate, .absent, "\(place.name) speaks for other files, not for this one")
      }
    case .unusable(let error): record(error, of: place, &report)
    case .own(let text):
      if let update = source.reader as? BareUpdate {
        try check(update, text, place, &report)
        return text
      }
      let tensors: CertifiedTensors
      do throws(CheckpointError) {
        tensors = try CertifiedTensors(text, source.checkpoint, contents)
      } catch {
        if error.code.isTransient { throw error }
        record(error.in(file: place.name), of: place, &report)
        return nil
      }
      var findings =
        try tensors.findings + wholeFindings(text.frame) + strangers(text, place)
        + CertifiedFiles(source, path, place).findings(text.frame)
      if tensors.root != text.frame.root {
        findings.append(
          Finding(
            .error, "certificate-root", "its root is not that of its tensors: it was changed",
            file: place.name))
      }
      report.record(
        .certificate, findings,
        contents == nil
          ? "names and shapes against \(place.name); digests need readable tensors"
          : "digests of \(counted(tensors.count, "tensor")) against \(place.name)"
            + (isReplayed
              ? ""
              : "; how they were made needs --replay or --against"
                + UncheckedClaims.text(text.frame))
      )
      return text
    }
    return nil
  }

  /// What can be told of an update without its base, which says what its tensors are.
  private func check(
    _ update: BareUpdate, _ text: CertificateText, _ place: CertificatePlace,
    _ report: inout VerificationReport
  ) throws(CheckpointError) {
    var findings = try CertifiedFiles(source, path, place).findings(text.frame)
    if let root = update.root, root != text.frame.root {
      findings.append(
        Finding(
          .error, "certificate-root", "its root is not the one that the update says",
          file: place.name))
    }
    report.record(
      .certificate, findings, "files against \(place.name); its tensors need the base: --base")
  }

  private func record(
    _ error: CheckpointError, of place: CertificatePlace, _ report: inout VerificationReport
  ) {
    report.record(
      .certificate, [Finding("certificate-unusable", error)], "\(place.name) can't be used")
  }

  /// What it says of the checkpoint as a whole, where that says so itself.
  private func wholeFindings(_ certificate: Certificate) throws(CheckpointError) -> [Finding] {
    var format = source.checkpoint.format
    // A copy of MLX's files as safetensors goes on saying whose they are.
    if MLXFormat.wrote(source.checkpoint), certificate.format != format { format = MLXFormat.name }
    var claims = [("format", certificate.format, format)]
    let model = try ifUsable { () throws(CheckpointError) in try source.model() }
    if let model, let certified = certificate.attention {
      claims.append(("attention", certified.rawValue, model.attention.rawValue))
    }
    if let manifest = source.store?.manifest {
      claims.append(
        (
          "family", certificate.source.architecture ?? "none", manifest.architecture ?? "none"
        ))
      // Certificates of earlier versions don't name it.
      if let certified = certificate.base {
        claims.append(
          ("base", certified.text, manifest.base.map { Certificate.Base($0).text } ?? "none"))
      }
    }
    let settings = SettingsClaims(certificate, source.checkpoint).findings
    return settings
      + claims.filter { $0.1 != $0.2 }.map { name, certified, found in
        Finding(
          .error, "certificate-claim", "the \(name) is certified as \(certified), found \(found)")
      }
  }

  /// Keys that no certificate of this version has: somebody added them, or a later version.
  private func strangers(
    _ text: CertificateText, _ place: CertificatePlace
  ) throws(CheckpointError) -> [Finding] {
    let keys: [String]
    do throws(CheckpointError) { keys = try text.unknownKeys() } catch {
      if error.code.isTransient { throw error }
      // Such as a key that stands twice, of which every reader takes another one.
      return [Finding("certificate-unusable", error.in(file: place.name))]
    }
    guard !keys.isEmpty else { return [] }
    return [
      Finding(
        .warning, "certificate-claim",
        "it has keys that certificates of this version don't have, which say nothing here: \(keys.map { "'\($0)'" }.joined(separator: ", "))",
        file: place.name)
    ]
  }
}

extension Certificate.Base {
  /// What it is, for messages.
  var text: String { "'\(hint)', root \(root)" }
}
