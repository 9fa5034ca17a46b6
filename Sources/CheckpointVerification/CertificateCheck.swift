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
  /// - Returns: the certificate, if there is one that speaks for the checkpoint, and what it is read from.
  /// - Throws: `inputOutput`, `interrupted`.
  func run(
    _ report: inout VerificationReport, _ contents: [TensorIdentity]?
  ) throws(CheckpointError) -> (certificate: Certificate, text: CertificateText)? {
    // What reading the tensors took makes room.
    PageArena.shared.releaseIdle()
    PageArena.trimHeap()
    let place = try CertificatePlace(of: path, files: source.checkpoint.files.map(\.name))
    switch place.state {
    case .absent: report.skip(.certificate, .absent, "there is no \(place.name)")
    case .ofOthers(let certificate):
      // In a directory there is one certificate, which is for the files in it.
      if certificate.files.isEmpty || FileKind(of: path) == .directory {
        let finding = Finding(
          .error, "certificate-of-others",
          "names none of the checkpoint's files: it was changed, or is another's",
          file: place.name)
        report.record(.certificate, [finding], "\(place.name) speaks for nothing here")
      } else {
        report.skip(
          .certificate, .absent, "\(place.name) speaks for other files, not for this one")
      }
    case .unusable(let error): record(error, of: place, &report)
    case .own(let text):
      let certificate: Certificate
      do throws(CheckpointError) { certificate = try Certificate(text) } catch {
        if error.code.isTransient { throw error }
        record(error.in(file: place.name), of: place, &report)
        return nil
      }
      var findings = try self.findings(certificate, contents)
      if rootDigest(of: certificate.identities) != certificate.root {
        findings.append(
          Finding(
            .error, "certificate-root", "its root is not that of its tensors: it was changed",
            file: place.name))
      }
      report.record(
        .certificate, findings,
        contents == nil
          ? "names and shapes against \(place.name); digests need readable tensors"
          : "digests of \(counted(certificate.tensors.count, "tensor")) against \(place.name)"
            + (isReplayed
              ? ""
              : "; how they were made needs --replay or --against"
                + UncheckedClaims.text(certificate))
      )
      return (certificate, text)
    }
    return nil
  }

  private func record(
    _ error: CheckpointError, of place: CertificatePlace, _ report: inout VerificationReport
  ) {
    report.record(
      .certificate, [Finding("certificate-unusable", error)], "\(place.name) can't be used")
  }

  private func findings(
    _ certificate: Certificate, _ contents: [TensorIdentity]?
  ) throws(CheckpointError) -> [Finding] {
    var findings: [Finding] = []
    let checkpoint = source.checkpoint
    var isCertified = [Bool](repeating: false, count: checkpoint.tensors.count)
    for tensor in certificate.tensors {
      let place = checkpoint.position(of: tensor.name)
      findings += try claimFindings(tensor, in: place.map { checkpoint.tensors[$0].file })
      guard let place else {
        findings.append(
          Finding(
            .error, "certificate-tensor-missing", "missing", file: tensor.file, tensor: tensor.name)
        )
        continue
      }
      isCertified[place] = true
      let type = TensorType(checkpoint.tensors[place].dtype, checkpoint.tensors[place].shape)
      if type != TensorType(tensor.dtype, tensor.shape) {
        findings.append(
          Finding(
            .error, "certificate-tensor-type",
            "certified as \(tensor.dtype.rawValue) \(tensor.shape), found \(type.dtype.rawValue) \(type.shape)",
            file: tensor.file, tensor: tensor.name))
      } else if let identity = contents?[place], identity.digest != tensor.digest {
        findings.append(
          Finding(
            .error, "certificate-digest",
            "its bytes have changed since they were certified, expected \(tensor.digest), found \(identity.digest)",
            file: tensor.file, tensor: tensor.name))
      }
    }
    for (tensor, isCertified) in zip(checkpoint.tensors, isCertified) where !isCertified {
      findings.append(
        Finding(
          .error, "certificate-tensor-extra", "not in the certificate", file: tensor.file,
          tensor: tensor.name))
    }
    return try findings + wholeFindings(certificate)
      + CertifiedFiles(source, path).findings(certificate)
  }

  /// What a tensor's entry says of itself: the file that has it, and what it is computed from.
  private func claimFindings(
    _ tensor: Certificate.TensorRecord, in file: String?
  ) throws(CheckpointError) -> [Finding] {
    var findings: [Finding] = []
    if let file, file != tensor.file {
      findings.append(
        Finding(
          .error, "certificate-claim", "certified to be in \(tensor.file), found in \(file)",
          file: file,
          tensor: tensor.name))
    }
    do throws(CheckpointError) {
      _ = try TensorExpression(parsing: tensor.expression, sources: tensor.sources)
    } catch {
      // Only with the importance matrix is it known what the blocks are made with.
      if error.code != .unsupported {
        findings.append(
          Finding("certificate-claim", error.in(file: tensor.file, tensor: tensor.name)))
      }
    }
    return findings
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
    return claims.filter { $0.1 != $0.2 }.map { name, certified, found in
      Finding(
        .error, "certificate-claim", "the \(name) is certified as \(certified), found \(found)")
    }
  }
}
