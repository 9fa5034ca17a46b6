public import FileContainers
public import TensorModel

/// A format that checkpoints come in.
///
/// Conformers are listed in `Formats.swift`.
public protocol CheckpointFormat: Sendable {
  /// As `--to` and reports spell it.
  static var name: String { get }
  /// Other spellings of the name.
  static var aliases: [String] { get }
  /// A line for `--help`.
  static var summary: String { get }

  /// Whether the first bytes say that a file is of this format; false for formats that aren't single files.
  static func recognises(file: FileRegion) throws(CheckpointError) -> Bool

  /// Opens a file that was recognised.
  static func open(
    file: FileRegion, name: String, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader

  /// Whether a directory or archive holds a checkpoint of this format.
  static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool

  /// Opens a directory or archive that was recognised.
  static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader
}

extension CheckpointFormat {
  /// No other spellings.
  public static var aliases: [String] { [] }

  /// Not a single-file format.
  public static func recognises(file: FileRegion) -> Bool { false }

  /// Not a single-file format.
  public static func open(
    file: FileRegion, name: String, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    throw CheckpointError(.unsupported, "\(Self.name) checkpoints are directories", file: name)
  }

  /// Not a directory format.
  public static func recognises(tree: any FileTree) -> Bool { false }

  /// Not a directory format.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    throw CheckpointError(
      .unsupported, "\(Self.name) checkpoints are single files", file: tree.displayName)
  }
}

/// What opening a checkpoint may need to know or use.
public struct OpenOptions: Sendable {
  /// What a configuration may have at most.
  public static let maximumConfigurationByteCount = 16 << 20

  /// Takes in every file that is read: what a command writes replaces none of them.
  public let readFiles = ReadFiles()
  /// The text of a configuration that the user gave with `--config`.
  public var configuration: [UInt8]?
  /// Whether that counts instead of the checkpoint's own; where two checkpoints are opened with one configuration it only fills in.
  public var replacesConfiguration = true
  /// What the user says that tokens see, whatever the checkpoint says.
  public var attention: AttentionMode?
  /// The file that it came from, for messages.
  public var configurationName: String?
  /// A directory whose tokenizer and other sidecar files are added.
  public var assetsDirectory: String?
  /// Where an archive is unpacked to; a finished one that is there already is used.
  ///
  /// Nil for a temporary file.
  public var spoolPath: String?
  /// Lists what is in HDF5 files; without it none is read.
  public var datasets: DatasetProcess?
  /// A directory for temporary files (deflated zip members, archives that are only looked at).
  public var temporaryDirectory: String
  /// How much archives may grow when they are unpacked.
  public var expansionLimit = ExpansionLimit.standard
  /// Where and how far members of archives are unpacked.
  var unpacking: Unpacking { Unpacking(directory: temporaryDirectory, limit: expansionLimit) }
  /// The bases that checkpoints which are differences are read with.
  public var bases: GivenBases?
  /// Whether a difference without its base is opened for what can be told without reading tensors.
  public var opensWithoutBase = false
  /// Whether each tensor that isn't what it should be is told, instead of the first alone: for who goes on after errors.
  public var tellsEachTensor = false
  /// Whether it is opened as a base itself.
  var isBase = false
  /// Called while an archive is unpacked, with the bytes taken in so far.
  public var progress: (@Sendable (Int) -> Void)?
  /// Called now and then; throwing stops the work.
  public var checkCancellation: @Sendable () throws(CheckpointError) -> Void

  /// Options.
  public init(
    configuration: [UInt8]? = nil, configurationName: String? = nil,
    assetsDirectory: String? = nil, spoolPath: String? = nil,
    temporaryDirectory: String = TemporaryFile.defaultDirectory,
    progress: (@Sendable (Int) -> Void)? = nil,
    checkCancellation: @escaping @Sendable () throws(CheckpointError) -> Void = {
      () throws(CheckpointError) in
    }
  ) {
    self.configuration = configuration
    self.configurationName = configurationName
    self.assetsDirectory = assetsDirectory
    self.spoolPath = spoolPath
    self.temporaryDirectory = temporaryDirectory
    self.progress = progress
    self.checkCancellation = checkCancellation
  }
}
