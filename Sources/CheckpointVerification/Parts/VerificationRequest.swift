public import CheckpointFormats
import FileContainers
import ModelSigning
import Quantization
public import TensorEvaluation
public import TensorModel

/// A path, and where that was, so that others who look from elsewhere find the same.
public struct NamedPlace: Sendable, Codable, Hashable {
  /// As the user has named it.
  public let path: String
  /// Absolute, without links.
  let place: String

  /// A path, from where this process is.
  public init(_ path: String) {
    self.path = path
    place = Directories.resolved(path)
  }

  /// As the user has named it where that leads there from here, too.
  var here: String { Directories.resolved(path) == place ? path : place }
}

/// What a verification was asked for: what a process needs to do a part of it, or to make the report of all parts.
public struct VerificationRequest: Sendable, Codable, Hashable {
  /// What is verified.
  public let checkpoint: NamedPlace
  /// Which checks run, and which must pass.
  public let selection: CheckSelection
  /// A checkpoint that must give the same tensors, or a manifest of an earlier state.
  public var against: NamedPlace?
  /// What the checkpoint was made of.
  public var replay: NamedPlace?
  /// The importance matrix that it was quantized with.
  public var importance: NamedPlace?
  /// The second moments that it was quantized with.
  public var moments: NamedPlace?
  /// The directory whose files were carried along.
  public var assets: NamedPlace?
  /// The bases of differences.
  public var bases: [NamedPlace] = []
  /// The configuration that was given with it.
  public var configuration: [UInt8]?
  /// The file that it came from, for messages.
  public var configurationName: String?
  /// Whose signature there must be.
  public var signature: SignatureRequest?

  /// A request.
  public init(_ checkpoint: String, _ selection: CheckSelection) {
    self.checkpoint = NamedPlace(checkpoint)
    self.selection = selection
  }

  /// Paths may differ from machine to machine.
  func isOfSameWork(as other: VerificationRequest) -> Bool {
    (selection, configuration, bases.count) == (
      other.selection, other.configuration, other.bases.count
    )
      && given == other.given
      && signature?.rules == other.signature?.rules
  }

  /// What is to be compared and checked, for messages: `with --against, --replay`.
  var summary: String {
    let names = zip(["--against", "--replay", "--imatrix", "--hessian", "--assets"], given)
      .filter(\.1).map(\.0)
    let more =
      names + (bases.isEmpty ? [] : ["--base"]) + (configuration == nil ? [] : ["--config"])
      + (signature == nil ? [] : ["a key"])
    return more.isEmpty ? "" : "with \(more.joined(separator: ", "))"
  }

  private var given: [Bool] {
    [against, replay, importance, moments, assets].map { $0 != nil }
  }

  /// What weights were quantized with.
  ///
  /// - Throws: what reading it throws.
  func statistics() throws(CheckpointError) -> InputStatistics {
    try InputStatistics(importance: importance?.here, moments: moments?.here)
  }
}

/// Whose signature a checkpoint must have.
public struct SignatureRequest: Sendable, Codable, Hashable {
  /// The signature; nil for the one in the checkpoint.
  public var signature: NamedPlace?
  /// The key that must have signed.
  public var publicKey: NamedPlace?
  /// Root certificates, where a certificate signed.
  public var certificateRoots: NamedPlace?
  /// What else counts.
  public var rules = Rules()

  /// What else counts.
  public struct Rules: Sendable, Codable, Hashable {
    /// Paths in the checkpoint that are left out.
    public var ignoredPaths: [String] = []
    /// Whether files that aren't signed are fine.
    public var ignoresUnsignedFiles = false
    /// Whether certificates must be valid now.
    public var requiresCurrentValidity = false

    /// The standard ones.
    public init() {}
  }

  /// A request without a key.
  public init() {}

  /// The check.
  ///
  /// - Parameter folder: the checkpoint's.
  /// - Returns: a check to run; nil without a key or roots.
  /// - Throws: `missing` or `inputOutput` for files, `usage` for what isn't a key, roots or a path in the folder.
  func check(of folder: String) throws(CheckpointError) -> SignatureCheck? {
    let trust: SignatureTrust
    if let publicKey {
      trust = .key(try VerificationKey(path: publicKey.here))
    } else if let certificateRoots {
      trust = .roots(
        try TrustedRoots(path: certificateRoots.here),
        requiresCurrentValidity: rules.requiresCurrentValidity)
    } else {
      return nil
    }
    return try SignatureCheck(
      folder, signature: signature?.here, trust: trust, ignoredPaths: rules.ignoredPaths,
      ignoresUnsignedFiles: rules.ignoresUnsignedFiles)
  }
}

/// What a verification needs beside the checkpoint, open.
public struct VerificationInputs: Sendable {
  let request: VerificationRequest
  /// How the checkpoint is opened.
  public var openOptions: OpenOptions
  let other: Source?
  let manifest: (manifest: CheckpointManifest, name: String)?
  let statistics: InputStatistics
  let replay: ReplaySource?
  let signature: SignatureCheck?

  /// Opens what a request names.
  ///
  /// - Parameters:
  ///   - request: what was asked for.
  ///   - options: how checkpoints are opened.
  /// - Throws: what is wrong with the others; `usage` for signatures that can't be checked as asked.
  public init(
    _ request: VerificationRequest, _ options: OpenOptions
  ) throws(CheckpointError) {
    self.request = request
    // A path that is spelled wrong is no finding.
    try options.bases?.open(options)
    let against = request.against?.here
    var (other, manifest): (Source?, (manifest: CheckpointManifest, name: String)?)
    if let against, CheckpointManifest.isOne(against) {
      manifest = (try CheckpointManifest(path: against), Directories.split(against).name)
    } else if let against {
      other = try Source(against, options)
    }
    self.other = other
    self.manifest = manifest
    let statistics = try request.statistics()
    self.statistics = statistics
    var ofSource = options
    ofSource.assetsDirectory = request.assets?.here
    replay = try request.replay.map { (place) throws(CheckpointError) in
      try ReplaySource(place.here, ofSource, statistics: statistics)
    }
    openOptions = options
    // With another checkpoint, the configuration is for that one as a rule.
    openOptions.replacesConfiguration = request.against == nil && request.replay == nil
    signature = try request.signature?.check(of: NamedPath.folder(of: request.checkpoint.here))
  }

  /// A verifier of the checkpoint.
  func verifier(
    _ resources: EvaluationResources, _ catalogues: CatalogueProcess?, _ progress: WorkProgress
  ) -> Verifier {
    Verifier(
      request.checkpoint.here, openOptions, resources, catalogues: catalogues,
      signature: signature, replay: replay, progress: progress)
  }

  /// Runs the checks.
  ///
  /// - Parameters:
  ///   - resources: memory and threads.
  ///   - catalogues: lists what libhdf5 sees in a store's volumes.
  ///   - progress: told of each step, and of bytes as they are read.
  /// - Returns: the report.
  /// - Throws: what keeps the checks from running.
  public func verified(
    _ resources: EvaluationResources, catalogues: CatalogueProcess?, progress: WorkProgress
  ) throws(CheckpointError) -> VerificationReport {
    try verified(resources, catalogues, progress, parts: nil)
  }

  /// The same, where parts have read what there is to read.
  func verified(
    _ resources: EvaluationResources, _ catalogues: CatalogueProcess?, _ progress: WorkProgress,
    parts: [VerificationReading]?
  ) throws(CheckpointError) -> VerificationReport {
    var verifier = verifier(resources, catalogues, progress)
    verifier.parts = parts
    return try verifier.run(
      against: other, statistics: statistics, since: manifest, request.selection)
  }
}
