import CheckpointConversion
import CheckpointFormats
import FileContainers
import ModelSigning
import TensorModel

/// What stands in a checkpoint's files besides tensors, against the plan that wrote them: headers, and the files beside the weights.
struct WrittenFiles {
  private let place: String
  private let folder: String
  private let certificate: Certificate
  private let plan: ConversionPlan

  /// - Parameters:
  ///   - written: the checkpoint.
  ///   - certificate: its own.
  ///   - plan: of its conversion.
  init(_ written: Source, _ certificate: Certificate, _ plan: ConversionPlan) {
    place = written.place
    folder = FileKind(of: place) == .directory ? place : Directories.split(place).parent
    self.certificate = certificate
    self.plan = plan
  }

  /// Where they differ.
  ///
  /// - Throws: `inputOutput`, `interrupted`.
  func findings() throws(CheckpointError) -> [Finding] {
    var findings: [Finding] = []
    for (number, file) in plan.weightFiles.enumerated() {
      // Volumes of a store have no layout of their own; another check compares them with the store's manifest.
      guard let layout = file.layout else { continue }
      findings += try finding(in: file.name) { (input) throws(CheckpointError) in
        try frameDifference(input, layout, checksums(inFile: number))
      }
    }
    let certified = Set(certificate.assets.map { ExactName($0.name) })
    // What the certificate hasn't is found there.
    for sidecar in plan.sidecars where certified.contains(ExactName(sidecar.name)) {
      findings += try finding(in: sidecar.name) { (input) throws(CheckpointError) in
        let digest = try Digest(ofFile: input)
        return digest == sidecar.digest
          ? nil : "made again it is another, expected \(sidecar.digest), found \(digest)"
      }
    }
    return try findings + strangers()
  }

  /// What else lies in the folder and may be taken for a part of the model: the conversion gives none of it.
  private func strangers() throws(CheckpointError) -> [Finding] {
    guard FileKind(of: place) == .directory else { return [] }
    let own =
      plan.weightFiles.map(\.name) + plan.sidecars.map(\.name) + plan.companions
      + certificate.assets.map(\.name)
      + [
        Certificate.fileName, CheckpointManifest.fileName, CheckpointManifest.sumsName,
        ModelSigner.signatureName,
      ]
    let names = Set(own.map { ExactName($0) })
    return try ModelFolder(place).files.filter { name in
      !names.contains(ExactName(name)) && !Self.isForPeople(name)
    }.map {
      Finding(
        .error, "replay-difference", "the conversion doesn't give this file", file: $0)
    }
  }

  /// What git and the hubs keep, signatures, and texts that no program that loads the model reads.
  private static func isForPeople(_ name: String) -> Bool {
    let top = String(name.split(separator: "/").first ?? "")
    return ModelFolder.ofGit.contains(top) || name.hasPrefix(".cache/huggingface/")
      || name.hasSuffix(".sig") || name == "README.md" || name.hasPrefix("LICENSE")
  }

  /// A file that can't be read differs, too.
  private func finding(
    in name: String, _ difference: (InputFile) throws(CheckpointError) -> String?
  ) throws(CheckpointError) -> [Finding] {
    do throws(CheckpointError) {
      let message = try difference(try InputFile(path: "\(folder)/\(name)"))
      return message.map { [Finding(.error, "replay-difference", $0, file: name)] } ?? []
    } catch {
      if error.code.isTransient { throw error }
      return [Finding("replay-difference", error.in(file: name))]
    }
  }

  /// Where checksums stand that are filled in after the tensors: they are checked with those.
  private func checksums(inFile number: Int) -> [Range<Int>] {
    plan.tensors.filter { $0.file == number }
      .flatMap { $0.place?.checksum?.byteOffsets ?? [] }.map { $0..<$0 + 4 }.sorted {
        $0.lowerBound < $1.lowerBound
      }
  }

  private func frameDifference(
    _ file: InputFile, _ layout: FileLayout, _ checksums: [Range<Int>]
  ) throws(CheckpointError) -> String? {
    guard file.byteCount == layout.byteCount else {
      return "made again it has \(counted(layout.byteCount, "byte")), found \(file.byteCount)"
    }
    var rest = checksums[...]
    for run in layout.frame {
      var found = try file.region.bytes(at: run.byteOffset, count: run.bytes.count)
      let end = run.byteOffset + run.bytes.count
      while let place = rest.first, place.lowerBound < end {
        for offset in place where offset >= run.byteOffset && offset < end {
          found[offset - run.byteOffset] = run.bytes[offset - run.byteOffset]
        }
        rest = rest.dropFirst()
      }
      guard found != run.bytes else { continue }
      let place = zip(found, run.bytes).prefix { $0 == $1 }.count
      return "its header isn't the one that is made again, from byte \(run.byteOffset + place) on"
    }
    return nil
  }
}
