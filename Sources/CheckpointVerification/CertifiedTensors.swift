import CheckpointConversion
import FileContainers
import TensorModel

/// What a certificate says of tensors, against those that are there.
///
/// Its tensors are looked at one by one: all of them take more memory than everything else that is known of a checkpoint.
struct CertifiedTensors {
  /// How many the certificate has.
  private(set) var count = 0
  /// Where it and the checkpoint say different things.
  private(set) var findings: [Finding] = []
  /// The root of the tensors as they are certified.
  let root: Digest

  /// Compares them.
  ///
  /// - Parameters:
  ///   - certificate: whose tensors are read, twice where they aren't the checkpoint's.
  ///   - checkpoint: the tensors that are there.
  ///   - contents: their digests, in the same order; nil where not all can be read.
  /// - Throws: `malformed` if a tensor of the certificate isn't one, `inputOutput`.
  init(
    _ certificate: CertificateText, _ checkpoint: Checkpoint, _ contents: [TensorIdentity]?
  ) throws(CheckpointError) {
    var isCertified = [Bool](repeating: false, count: checkpoint.tensors.count)
    var (count, findings, agrees): (Int, [Finding], Bool) = (0, [], true)
    try certificate.forEachTensor { (tensor) throws(CheckpointError) in
      count += 1
      let place = checkpoint.position(of: tensor.name)
      findings += try Self.claimFindings(tensor, in: place.map { checkpoint.tensors[$0].file })
      guard let place else {
        agrees = false
        findings.append(
          Finding(
            .error, "certificate-tensor-missing", "missing", file: tensor.file, tensor: tensor.name)
        )
        return
      }
      isCertified[place] = true
      let type = TensorType(checkpoint.tensors[place].dtype, checkpoint.tensors[place].shape)
      if type != TensorType(tensor.dtype, tensor.shape) {
        agrees = false
        findings.append(
          Finding(
            .error, "certificate-tensor-type",
            "certified as \(tensor.dtype.rawValue) \(tensor.shape), found \(type.dtype.rawValue) \(type.shape)",
            file: tensor.file, tensor: tensor.name))
      } else if let identity = contents?[place], identity.digest != tensor.digest {
        agrees = false
        findings.append(
          Finding(
            .error, "certificate-digest",
            "its bytes have changed since they were certified, expected \(tensor.digest), found \(identity.digest)",
            file: tensor.file, tensor: tensor.name))
      }
    }
    for (tensor, isCertified) in zip(checkpoint.tensors, isCertified) where !isCertified {
      agrees = false
      findings.append(
        Finding(
          .error, "certificate-tensor-extra", "not in the certificate", file: tensor.file,
          tensor: tensor.name))
    }
    self.count = count
    self.findings = findings
    // Each of the checkpoint's once, with the digest that was found: then the root is theirs.
    if agrees, let contents, count == contents.count {
      root = rootDigest(of: contents)
    } else {
      root = try certificate.root()
    }
  }

  /// What a tensor's entry says of itself: the file that has it, and what it is computed from.
  private static func claimFindings(
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
}
