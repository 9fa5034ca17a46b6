import ArgumentParser
import CheckpointConversion
import CheckpointFormats
import CheckpointVerification
import FileContainers
import TensorModel

/// `weighbridge manifest`.
struct ManifestCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "manifest",
    abstract: "List a checkpoint's files and tensors with their digests.",
    discussion: """
      Writes weighbridge-manifest.json into the checkpoint's directory, or FILE.manifest.json \
      beside a file. A signature comes after it: sign signs the manifest with the other files. verify compares with it whenever it is there, and \
      verify --against MANIFEST lists the tensors that have changed since.

      Examples:
        weighbridge manifest gpt-j-6b --sha256sums
        weighbridge verify gpt-j-6b
      """)

  @Argument(help: "The checkpoint.", completion: .file())
  var checkpoint: String

  @Flag(help: "Write SHA256SUMS too, which sha256sum -c checks; of directories only.")
  var sha256sums = false

  @OptionGroup var shared: SharedOptions

  func run() throws {
    let progress = shared.progress
    let options = try shared.openOptions(checkpoint, progress)
    let source = try Source(checkpoint, options)
    try options.bases?.requireUsed()
    let place = source.place
    guard let kind = FileKind(of: place), checkpoint != "-" else {
      throw CheckpointError(
        .usage, "a manifest lies beside a checkpoint's files, and this path isn't a checkpoint",
        file: checkpoint,
        hint: "unpack the archive, and name the folder")
    }
    if sha256sums, kind != .directory {
      throw CheckpointError(
        .usage, "SHA256SUMS is for directories", file: place, hint: "leave out --sha256sums")
    }
    let target = ManifestFiles(place)
    try target.requireReplaceable(withSums: sha256sums)
    let manifest = try CheckpointManifest(of: source, shared.resources, progress: progress.work)
    progress.finish()
    let bytes = try JSONDocument.bytes(manifest)
    try target.write(manifest, bytes, withSums: sha256sums)
    for sentence in try target.disagreements(with: manifest, withSums: sha256sums) {
      Console.error("warning: \(printable(sentence))")
    }
    if shared.json {
      Console.output(document: bytes)
      return
    }
    let option = source.base.map { " --base \(shellQuoted($0.source.path))" } ?? ""
    let size = manifest.files.reduce(0) { $0 + $1.byteCount }
    Console.output(
      "\(printable(target.path)): \(counted(manifest.files.count, "file")), \(humanSize(size)); \(counted(manifest.tensors.count, "tensor")), root \(manifest.root)"
        + (sha256sums ? "; \(CheckpointManifest.sumsName) beside it" : "")
        + "; check them again with: \(shellCommand("weighbridge verify\(option)", checkpoint))")
  }
}
