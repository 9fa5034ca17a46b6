import CheckpointFormats
import FileContainers
import TensorModel

/// What has changed since a manifest was written: tensors, by their names.
struct ManifestChanges {
  private let manifest: CheckpointManifest
  private let name: String

  /// - Parameters:
  ///   - manifest: of an earlier state.
  ///   - name: what it is called.
  init(_ manifest: CheckpointManifest, _ name: String) {
    self.manifest = manifest
    self.name = name
  }

  /// Records the check.
  func run(
    _ report: inout VerificationReport, _ source: Source, _ contents: [TensorIdentity]?
  ) {
    do throws(CheckpointError) { try manifest.requireConsistent(name) } catch {
      report.record(
        .against, [Finding("manifest-unusable", error)], "\(name) can't be compared with")
      return
    }
    guard let contents else {
      report.skip(.against, .blocked, "needs tensors that can be read")
      return
    }
    var before: [ExactName: CheckpointManifest.Tensor] = [:]
    for tensor in manifest.tensors { before[ExactName(tensor.name)] = tensor }
    var findings: [Finding] = []
    for (tensor, identity) in zip(source.checkpoint.tensors, contents) {
      guard let earlier = before.removeValue(forKey: ExactName(tensor.name)) else {
        findings.append(
          Finding(
            .error, "tensor-added", "not in \(name)", file: tensor.file, tensor: tensor.name))
        continue
      }
      if earlier.dtype != identity.dtype || earlier.shape != identity.shape {
        findings.append(
          Finding(
            .error, "tensor-changed",
            "was \(earlier.dtype.rawValue) \(earlier.shape), is \(identity.dtype.rawValue) \(identity.shape)",
            file: tensor.file, tensor: tensor.name))
      } else if earlier.digest != identity.digest {
        findings.append(
          Finding(
            .error, "tensor-changed",
            "has other values, expected \(earlier.digest), found \(identity.digest)",
            file: tensor.file, tensor: tensor.name))
      }
    }
    for tensor in before.values.sorted(by: { ExactName($0.name) < ExactName($1.name) }) {
      findings.append(
        Finding(
          .error, "tensor-removed", "is in \(name), and not here any more", file: tensor.file,
          tensor: tensor.name))
    }
    report.record(
      .against, findings,
      "\(counted(contents.count, "tensor")) compared with the \(manifest.tensors.count) of \(name)")
  }
}
