import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

/// A checkpoint against the certificate that its conversion has left beside it.
struct CertificateCheck {
  private let source: Source
  private let path: String

  init(_ source: Source, _ path: String) {
    self.source = source
    self.path = path
  }

  /// Records the check.
  ///
  /// - Parameters:
  ///   - report: of the verification.
  ///   - contents: the tensors' digests; nil where not all can be read.
  /// - Returns: the certificate, if there is one that speaks for the checkpoint.
  /// - Throws: `inputOutput`, `interrupted`.
  func run(
    _ report: inout VerificationReport, _ contents: [TensorIdentity]?
  ) throws(CheckpointError) -> Certificate? {
    let place = try CertificatePlace(of: path, files: source.checkpoint.files.map(\.name))
    switch place.state {
    case .absent: report.skip(.certificate, "there is no \(place.name)")
    case .ofOthers:
      report.skip(.certificate, "\(place.name) speaks for other files, not for this one")
    case .unusable(let error):
      report.record(
        .certificate, [Finding("certificate", error)], "\(place.name) can't be used")
    case .own(let certificate):
      var findings = try self.findings(certificate, contents)
      if rootDigest(of: certificate.identities) != certificate.root {
        findings.append(
          Finding(
            .error, "certificate", "its root is not that of its tensors: it was changed",
            file: place.name))
      }
      report.record(
        .certificate, findings,
        contents == nil
          ? "names and shapes against \(place.name); digests need readable tensors"
          : "digests of \(counted(certificate.tensors.count, "tensor")) against \(place.name); how they were made needs --against"
      )
      return certificate
    }
    return nil
  }

  private func findings(
    _ certificate: Certificate, _ contents: [TensorIdentity]?
  ) throws(CheckpointError) -> [Finding] {
    var findings: [Finding] = []
    var stored: [ExactName: TensorIdentity] = [:]
    for identity in contents ?? [] { stored[ExactName(identity.name)] = identity }
    for tensor in certificate.tensors {
      guard let type = source.checkpoint.type(of: tensor.name) else {
        findings.append(
          Finding(.error, "certificate", "missing", file: tensor.file, tensor: tensor.name))
        continue
      }
      if type != TensorType(tensor.dtype, tensor.shape) {
        findings.append(
          Finding(
            .error, "certificate",
            "certified as \(tensor.dtype.rawValue) \(tensor.shape), found \(type.dtype.rawValue) \(type.shape)",
            file: tensor.file, tensor: tensor.name))
      } else if let identity = stored[ExactName(tensor.name)], identity.digest != tensor.digest {
        findings.append(
          Finding(
            .error, "certificate",
            "its bytes have changed since they were certified, expected \(tensor.digest), found \(identity.digest)",
            file: tensor.file, tensor: tensor.name))
      }
    }
    let certified = Set(certificate.tensors.map { ExactName($0.name) })
    for tensor in source.checkpoint.tensors where !certified.contains(ExactName(tensor.name)) {
      findings.append(
        Finding(
          .error, "certificate", "not in the certificate", file: tensor.file, tensor: tensor.name))
    }
    return findings + (try fileFindings(certificate))
  }

  private func fileFindings(_ certificate: Certificate) throws(CheckpointError) -> [Finding] {
    guard FileKind(of: path) == .directory else { return [] }
    var findings: [Finding] = []
    for file in certificate.files {
      let size = source.checkpoint.files.first { $0.name == file.name }?.byteCount
      guard size != file.byteCount else { continue }
      findings.append(
        Finding(
          .error, "certificate",
          "certified with \(file.byteCount) bytes, \(size.map { "found \($0)" } ?? "but no part of the checkpoint")",
          file: file.name))
    }
    for asset in certificate.assets {
      let components = asset.name.utf8.split(
        separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      guard !asset.name.utf8.contains(0),
        !components.contains(where: { ["", ".", ".."].contains(String($0) ?? "") })
      else {
        findings.append(
          Finding(
            .error, "certificate", "names a file outside of the checkpoint: '\(asset.name)'"))
        continue
      }
      let file: InputFile
      do throws(CheckpointError) { file = try InputFile(path: "\(path)/\(asset.name)") } catch {
        if error.code.isTransient { throw error }
        findings.append(Finding(.error, "certificate", "missing or unreadable", file: asset.name))
        continue
      }
      let digest = try Digest(ofFile: file)
      if digest != asset.digest {
        findings.append(
          Finding(
            .error, "certificate",
            "has changed since it was certified, expected \(asset.digest), found \(digest)",
            file: asset.name))
      }
    }
    return findings
  }
}
