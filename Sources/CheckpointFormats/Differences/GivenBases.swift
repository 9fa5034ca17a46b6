import FileContainers
import Synchronization
public import TensorEvaluation
public import TensorModel

/// The checkpoints that the user named with `--base`: each is opened when something needs it, and once.
public final class GivenBases: Sendable {
  /// As the user wrote them.
  public let paths: [String]
  private let resources: EvaluationResources
  private let progress: WorkProgress
  private let state = Mutex(State())

  private struct State {
    var open: [Int: BaseCheckpoint] = [:]
    /// Of all tensors of those that were read to tell them from others, by path.
    var digests: [String: BaseDigests] = [:]
    /// Those that a checkpoint is read with.
    var used: Set<Int> = []
  }

  /// Bases that may be needed.
  ///
  /// - Parameters:
  ///   - paths: as the user wrote them.
  ///   - resources: memory and threads, to look at them.
  ///   - progress: told of each step, and of bytes as they are read.
  public init(
    _ paths: [String], _ resources: EvaluationResources, progress: WorkProgress = .none
  ) {
    self.paths = paths
    self.resources = resources
    self.progress = progress
  }

  /// Those that nothing was read with.
  public var unused: [String] {
    state.withLock { state in paths.indices.filter { !state.used.contains($0) }.map { paths[$0] } }
  }

  private static func requireReadable(_ path: String) throws(CheckpointError) {
    guard FileKind(of: path) == .other else { return }
    throw CheckpointError(
      .unsupported, "neither a file nor a folder", file: path, found: PathObstacle.text(path),
      hint: "name a file or a folder by --base: a base is read more than once")
  }

  /// Makes sure that something was read, or is to be written, with each of them.
  ///
  /// - Throws: `usage` for the first that is good for nothing.
  public func requireUsed() throws(CheckpointError) {
    guard let path = unused.first else { return }
    try Self.requireReadable(path)
    throw CheckpointError(
      .usage, "--base names a checkpoint that nothing here is a difference to", file: path,
      hint: "leave it out")
  }

  /// The base that a checkpoint is written as a difference to: the first that nothing was read with.
  ///
  /// - Parameters:
  ///   - options: how the checkpoint was opened.
  ///   - sharing: whether one that something was read with serves as well.
  /// - Returns: nil if there is none.
  /// - Throws: what opening it throws.
  public func target(
    _ options: OpenOptions, sharing: Bool
  ) throws(CheckpointError) -> BaseCheckpoint? {
    let place = state.withLock { state in
      paths.indices.first { !state.used.contains($0) } ?? (sharing ? paths.indices.last : nil)
    }
    guard let place else { return nil }
    let base = try open(place, options)
    state.withLock { _ = $0.used.insert(place) }
    return base
  }

  /// Opens all of them, so that what is wrong with the paths is told as such, and not as something that is wrong with what is read.
  ///
  /// - Parameter options: how the checkpoint is going to be opened.
  /// - Throws: what opening throws.
  public func open(_ options: OpenOptions) throws(CheckpointError) {
    for place in paths.indices { _ = try open(place, options) }
  }

  /// The base that has the tensors which a checkpoint needs.
  ///
  /// - Parameters:
  ///   - need: the tensors.
  ///   - options: how the checkpoint is opened.
  ///   - proves: whether a base is the right one, where `need` has no tensors that tell; only asked if there are several.
  /// - Returns: the base; its root is the one that is needed, or its tensors can be those that are needed.
  /// - Throws: `missing` or `corrupt` for the first tensor that can't; what opening throws.
  func match(
    _ need: BaseNeed, _ options: OpenOptions,
    proves: (BaseMatch) throws(CheckpointError) -> Bool
  ) throws(CheckpointError) -> BaseMatch {
    var candidates: [BaseMatch] = []
    var misfits: [(match: BaseMatch, errors: [Int: CheckpointError])] = []
    for place in paths.indices {
      let match = BaseMatch(
        base: try open(place, options), resources: resources,
        tellsEach: options.tellsEachTensor)
      let known = KnownDigests(of: match.base)
      if let root = need.root, known.root == root { return use(match) }
      let errors = need.misfits(of: match.base, known, all: options.tellsEachTensor)
      if errors.isEmpty { candidates.append(match) } else { misfits.append((match, errors)) }
    }
    // One that can be it is told by its digests as it is read; several are read to tell which it is.
    if candidates.count > 1 {
      candidates = try candidates.map { (match) throws(CheckpointError) in try read(match) }
      if let root = need.root, let match = candidates.first(where: { $0.digests?.root == root }) {
        return use(match)
      }
      for match in candidates where match.digests != nil {
        let has =
          need.tensors.isEmpty
          ? try proves(match) : try BaseCheck(match, need).firstDifference() == nil
        if has { return use(match) }
      }
    }
    let unused = unused
    guard
      let last = candidates.last(where: { unused.contains($0.base.source.path) })
        ?? candidates.last
    else {
      guard let (match, errors) = misfits.first, let place = errors.keys.min(),
        let error = errors[place]
      else { throw OpenOptions.withoutBase(need, of: nil) }
      let check = BaseCheck(match, need)
      if options.tellsEachTensor {
        throw try check.differences(besides: errors).joined ?? error
      }
      // The first in order names the error, known without reading or not.
      throw try check.firstDifference(before: place) ?? error
    }
    return use(last)
  }

  /// The same with the digests of all tensors; without them where they can't be read.
  private func read(_ match: BaseMatch) throws(CheckpointError) -> BaseMatch {
    let path = match.base.source.path
    var match = match
    if let known = state.withLock({ $0.digests[path] }) {
      match.digests = known
      return match
    }
    var resources = resources
    resources.checksRecordedDigests = false
    match.digests = try ifUsable { [match] () throws(CheckpointError) in
      try BaseDigests(match.base, resources)
    }
    state.withLock { [match] in $0.digests[path] = match.digests }
    return match
  }

  private func use(_ match: BaseMatch) -> BaseMatch {
    state.withLock { state in
      if let place = paths.firstIndex(of: match.base.source.path) { state.used.insert(place) }
    }
    return match
  }

  /// What tells a path's checkpoint from others; of one that isn't there the path.
  private static func identity(_ path: String) -> AnyHashable {
    FileIdentity(of: path).map(AnyHashable.init) ?? AnyHashable(path)
  }

  private func open(
    _ place: Int, _ options: OpenOptions
  ) throws(CheckpointError) -> BaseCheckpoint {
    if let known = state.withLock({ $0.open[place] }) { return known }
    guard paths[place] != "-" else {
      throw CheckpointError(
        .usage, "a base can't be read from standard input",
        hint: "name a file or a folder by --base")
    }
    try Self.requireReadable(paths[place])
    for path in paths[..<place] {
      guard Self.identity(path) == Self.identity(paths[place]) else { continue }
      throw CheckpointError(
        .usage, "--base names the same checkpoint twice", file: paths[place],
        hint: "name it once")
    }
    let base: BaseCheckpoint
    do throws(CheckpointError) {
      let source = try Source(paths[place], options.forBase)
      base = try BaseCheckpoint(source, resources, progress: progress)
    } catch { throw error.inBase(paths[place]) }
    state.withLock { $0.open[place] = base }
    return base
  }
}

extension OpenOptions {
  /// The same for opening a base: what the user says of the checkpoint isn't said of it.
  fileprivate var forBase: OpenOptions {
    var options = self
    options.bases = nil
    options.isBase = true
    options.replacesConfiguration = false
    options.attention = nil
    options.assetsDirectory = nil
    options.spoolPath = nil
    options.progress = nil
    return options
  }

  /// The base of a checkpoint that needs one.
  ///
  /// - Parameters:
  ///   - need: what it needs.
  ///   - name: what the checkpoint is called.
  ///   - proves: whether a base is the right one, where `need` has no tensors that tell.
  /// - Returns: nil where it may be opened without, or needs none.
  /// - Throws: `usage` without a base, and for a difference that is to be a base itself; what `GivenBases.match` throws.
  func base(
    for need: BaseNeed, of name: String,
    proves: (BaseMatch) throws(CheckpointError) -> Bool = { (_) in false }
  ) throws(CheckpointError) -> BaseMatch? {
    let isComplete = need.isComplete
    guard !isBase || isComplete else {
      throw CheckpointError(
        .unsupported, "a difference can't be a base itself", file: name,
        expected: "a complete checkpoint", found: "a difference to '\(need.hint)'",
        hint: "make it complete first, with its own base:",
        hintLines: [shellCommand("weighbridge convert --base BASE", name, "COMPLETE.store")])
    }
    guard let bases, !bases.isEmpty else {
      if opensWithoutBase || isComplete { return nil }
      throw Self.withoutBase(need, of: name)
    }
    return try bases.match(need, self, proves: proves)
  }

  /// What is said of a checkpoint whose base isn't named.
  static func withoutBase(_ need: BaseNeed, of name: String?) -> CheckpointError {
    CheckpointError(
      .usage, "a difference, which can be read only together with its base", file: name,
      expected: "'\(need.hint)', \(need.rootText)",
      hint: "name the base by --base PATH; any format will do"
    ).called("base")
  }
}

extension GivenBases {
  /// Whether there are none.
  public var isEmpty: Bool { paths.isEmpty }
}

extension BaseNeed {
  /// The tensors that a base can't have as they are needed, by all that is known without reading it.
  ///
  /// - Parameters:
  ///   - base: what was given.
  ///   - known: what is said of its tensors.
  ///   - all: whether all are looked for, and not the first alone.
  /// - Returns: errors, by the tensors' places.
  fileprivate func misfits(
    of base: BaseCheckpoint, _ known: KnownDigests, all: Bool
  ) -> [Int: CheckpointError] {
    var errors: [Int: CheckpointError] = [:]
    for (place, tensor) in tensors.enumerated() where all || errors.isEmpty {
      guard let position = base.checkpoint.position(of: tensor.base.name) else {
        errors[place] = error(at: place, of: base, found: nil)
        continue
      }
      let info = base.checkpoint.tensors[position]
      let type = TensorType(info.dtype, info.shape)
      guard info.dtype == tensor.base.dtype,
        tensor.isSame ? type == tensor.type : tensor.type.differs(from: type)
      else {
        errors[place] = error(at: place, of: base, found: type)
        continue
      }
      if let digest = known[tensor.base.name], digest != tensor.base.digest {
        errors[place] = error(at: place, of: base, found: digest)
      }
    }
    return errors
  }
}
