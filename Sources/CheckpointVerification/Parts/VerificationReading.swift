import CheckpointConversion
import CheckpointFormats
import FileContainers
import ModelSigning
import Quantization
import TensorEvaluation
import TensorModel

/// What a part of a verification has found out by reading its share.
///
/// Whatever it lacks is read by the merge.
struct VerificationReading: Codable {
  var contents = ContentsCheck.Reading()
  /// Of a comparison with another checkpoint; nil where nothing was compared.
  var agreement: AgreementCheck.Reading?
  /// Of a conversion that is made again; nil where it wasn't.
  var derivation: DerivationCheck.Reading?
  /// Of files that are compared as wholes.
  var files = RecordedFileDigests()

  /// What all parts have read of something; nil where one lacks it.
  static func all<Reading>(
    _ place: KeyPath<VerificationReading, Reading?>, of parts: [VerificationReading]?
  ) -> [Reading]? {
    guard let parts else { return nil }
    let readings = parts.compactMap { $0[keyPath: place] }
    return readings.count == parts.count ? readings : nil
  }

  /// What all parts have read of the tensors, one after the other.
  static func contents(of parts: [VerificationReading]) -> ContentsCheck.Reading {
    var reading = ContentsCheck.Reading()
    for part in parts {
      reading.contents.identities += part.contents.contents.identities
      reading.contents.census += part.contents.contents.census
      reading.errors += part.contents.errors
      reading.values += part.contents.values
    }
    return reading
  }
}

extension Verifier {
  /// Reads a share of all that the checks read.
  ///
  /// - Parameters:
  ///   - share: of several parts.
  ///   - source: the checkpoint, open.
  ///   - other: another checkpoint to compare tensors with.
  ///   - statistics: what the checkpoint was quantized with, if there was something.
  ///   - selection: which checks the merge runs.
  /// - Returns: what was found out.
  /// - Throws: what keeps the checks from running.
  func read(
    _ share: ReadingShare, _ source: Source, against other: Source?,
    statistics: InputStatistics, _ selection: CheckSelection
  ) throws(CheckpointError) -> VerificationReading {
    var reading = VerificationReading()
    let needsContents =
      [.contents, .values, .certificate].contains(where: selection.runs) || replay != nil
    if needsContents {
      reading.contents = try ContentsCheck(
        source, resources, countsValues: selection.runs(.values), progress
      ).read(share)
    }
    var files: [InputFile] = []
    if let signature, selection.runs(.signature) { files += try signature.readFiles().files }
    if selection.runs(.digests) {
      files += try DigestsCheck(source, RecordedFileDigests(), progress).readFiles()
    }
    if selection.runs(.cache) {
      files += try CacheCheck(source, path, RecordedFileDigests()).readFiles()
    }
    let text = try certificateText(of: source)
    let certificate =
      try ifUsable { () throws(CheckpointError) in
        try text.map { (text) throws(CheckpointError) in try Certificate(text) }
      } ?? nil
    if let replay, let certificate, selection.runs(.derivation) {
      let check = DerivationCheck(
        source, certificate, replay, resources, RecordedFileDigests(), progress)
      let isSigned = try signature?.readFiles().isOfDerivation ?? false
      if let made = try check.read(share, isSigned: isSigned) {
        reading.derivation = made.reading
        files += made.files
      }
    }
    if let other, selection.runs(.against) {
      let isRead = certificate != nil && (selection.runs(.certificate) || replay != nil)
      reading.agreement = try AgreementCheck(
        source, other, statistics, resources, RecordedFileDigests(), progress
      ).read(share, isRead ? text : nil)
      if isRead, let certificate {
        files += try ClaimsCheck.readFiles(certificate, other)
      }
      try other.confirm()
    }
    reading.files = try read(share, files)
    try source.confirm()
    return reading
  }

  /// The checkpoint's own certificate; nil without one that can be read.
  private func certificateText(of source: Source) throws(CheckpointError) -> CertificateText? {
    let names = source.checkpoint.files.map(\.name)
    guard case .own(let text) = try CertificatePlace(of: source.place, files: names).state else {
      return nil
    }
    return text
  }

  /// Hashes a share of files, each of them once.
  private func read(
    _ share: ReadingShare, _ files: [InputFile]
  ) throws(CheckpointError) -> RecordedFileDigests {
    let different = Dictionary(
      files.map { (ExactName(Directories.resolved($0.path)), $0) },
      uniquingKeysWith: { first, _ in first }
    ).sorted { $0.key < $1.key }.map(\.value)
    let own = different[share.own(different.map(\.byteCount))]
    progress.begin("hashing files", own.reduce(0) { $0 + $1.byteCount })
    return try RecordedFileDigests(of: Array(own)) { (byteCount) throws(CheckpointError) in
      try resources.checkCancellation()
      progress.add(byteCount)
    }
  }
}
