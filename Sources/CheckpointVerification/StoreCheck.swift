import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

/// What a canonical store promises beside its tensors: HDF5 structures, link file, assets and certificate as they were written, and agreement
/// of the volumes with the manifest.
struct StoreCheck {
  private let reader: StoreReader
  private let path: String
  private let catalogues: CatalogueProcess?

  /// A check of an open store; without a process the agreement is not checked.
  init(_ reader: StoreReader, _ path: String, _ catalogues: CatalogueProcess?) {
    self.reader = reader
    self.path = path
    self.catalogues = catalogues
  }

  func run(_ report: inout VerificationReport) throws(CheckpointError) {
    var findings: [Finding] = []
    for volume in reader.manifest.volumes {
      guard let region = reader.volumes[volume.name] else { continue }
      let structure = try structureFindings(volume, region)
      findings += structure
      // What was changed is not shown to libhdf5.
      if structure.isEmpty { findings += try agreementFindings(volume, region) }
    }
    findings += try fileFindings() + manifestFindings()
    let volumes = reader.manifest.volumes.count
    report.record(
      .store, findings,
      "\(counted(volumes, "volume")) as written, "
        + (catalogues == nil
          ? "not compared with what libhdf5 sees" : "datasets as libhdf5 sees them"))
  }

  private func structureFindings(
    _ volume: StoreManifest.Volume, _ region: FileRegion
  ) throws(CheckpointError) -> [Finding] {
    var chunks: [StoredChunk] = []
    for (tensor, stored) in zip(reader.manifest.tensors, reader.tensors)
    where tensor.volume == volume.name { chunks += stored.chunks }
    do throws(CheckpointError) {
      let found = try VolumeStructure.digest(of: region, around: chunks)
      guard found != volume.structureDigest else { return [] }
      return [
        Finding(
          .error, "store-structure",
          "bytes between the tensors' chunks were changed, expected \(volume.structureDigest), found \(found)",
          file: volume.name)
      ]
    } catch {
      if error.code.isTransient { throw error }
      return [Finding("store-unreadable", error.in(file: volume.name))]
    }
  }

  private func agreementFindings(
    _ volume: StoreManifest.Volume, _ region: FileRegion
  ) throws(CheckpointError) -> [Finding] {
    guard let catalogues else { return [] }
    // A member of an archive is no file that libhdf5 could open.
    guard region.offset == 0, region.byteCount == region.file.byteCount else { return [] }
    do throws(CheckpointError) {
      return VolumeAgreement(volume.name, try catalogues.catalogue(of: region.file.path))
        .findings(reader)
    } catch {
      if error.code.isTransient { throw error }
      return [Finding("store-unreadable", error.in(file: volume.name))]
    }
  }

  /// That the manifest repeats the configuration wrongly, if it does.
  private func manifestFindings() -> [Finding] {
    let manifest = reader.manifest
    let asset = reader.checkpoint.configuration
    // One that isn't read, because a link leads elsewhere, is told of where it is opened.
    guard asset != nil || !manifest.assets.contains(where: { $0.name == "config.json" }) else {
      return []
    }
    let expected = asset.map { StoreManifest.configuration(of: $0) } ?? .null
    guard expected.documentText != manifest.configuration.documentText else { return [] }
    return [
      Finding(
        .error, "store-manifest",
        "the manifest has another configuration than \(StoreFormat.assetFolder)/config.json",
        file: StoreFormat.manifestName)
    ]
  }

  /// Files of which the manifest has digests.
  private func fileFindings() throws(CheckpointError) -> [Finding] {
    guard FileKind(of: path) == .directory else { return [] }
    var findings: [Finding] = []
    let assets = reader.manifest.assets.map { ("\(StoreFormat.assetFolder)/\($0.name)", $0) }
    for (name, record) in [
      (reader.manifest.links.name, reader.manifest.links),
      (reader.manifest.certificate.name, reader.manifest.certificate),
    ] + assets {
      guard fileExists("\(path)/\(name)") else {
        findings.append(
          Finding(
            .error, "file-missing",
            "a file of the store is not there, found \(PathObstacle.text("\(path)/\(name)") ?? "nothing")",
            file: name))
        continue
      }
      do throws(CheckpointError) {
        let file = try InputFile(path: "\(path)/\(name)")
        let digest = try Digest(ofFile: file)
        guard file.byteCount != record.byteCount || digest != record.digest else { continue }
        findings.append(
          Finding(
            .error, "store-file-changed",
            "was changed after the store was written, expected \(record.digest), found \(digest)",
            file: name))
      } catch {
        if error.code.isTransient { throw error }
        findings.append(Finding("store-unreadable", error.in(file: name)))
      }
    }
    return findings
  }
}
