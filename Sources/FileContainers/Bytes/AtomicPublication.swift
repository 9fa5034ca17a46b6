public import TensorModel

// How a finished destination gets its name: in one step, or file by file in an order that leaves nothing that looks complete and isn't.

extension AtomicDestination {
  /// Moves files back that an interrupted run has already moved out of the partial directory.
  ///
  /// That run had finished all of them, and each is in one of both places; anything else is somebody else's.
  ///
  /// - Parameters:
  ///   - names: of all files that a run publishes.
  ///   - companion: one of them, which may be replaced wherever the rest may.
  /// - Throws: `conflict` if something else is there, `inputOutput`.
  public func recover(_ names: [String], companion: String?) throws(CheckpointError) {
    guard publishesSeparately else { return }
    // In a directory that was empty, whatever has a name of ours is ours.
    let isPublishing =
      kind == .directory || resumesPublication || fileExists(publicationPath)
    let own = replaces ? [] : names.filter { $0 != companion || !isForced }
    let published = own.filter { fileExists("\(publicationFolder)/\($0)") }
    if let first = published.first {
      let isFinished = own.allSatisfy {
        published.contains($0) != fileExists("\(partialPath)/\($0)")
      }
      guard isPublishing, isFinished else {
        throw somethingAppeared("\(publicationFolder)/\(first)")
      }
      for name in published {
        try renameWithoutReplacing("\(publicationFolder)/\(name)", "\(partialPath)/\(name)")
      }
    }
    if fileExists(publicationPath) {
      // Before anything of it is written anew.
      try Directories.removeTree(publicationPath)
      try Directories.synchronise(partialPath)
    }
  }

  private func somethingAppeared(_ path: String) -> CheckpointError {
    CheckpointError(
      .conflict, "something is there that this conversion hasn't written", file: path,
      hint: "move it away, or choose another destination")
  }

  /// Whether files get their places one by one.
  private var publishesSeparately: Bool { kind == .file || fillsExistingDirectory }

  /// Where they get them.
  private var publicationFolder: String { kind == .directory ? path : parent }

  /// Gives the finished files their names.
  ///
  /// Data must have been synced.
  ///
  /// - Parameters:
  ///   - files: in the order in which they may appear: what makes the destination look complete comes last. Anything else in the
  ///     partial directory is removed.
  ///   - companion: one of them, which may be replaced wherever the rest may.
  ///   - mark: what the mark says where everything else in the partial directory is what was replaced.
  /// - Returns: the path of what could not be removed after all was published; nil as a rule.
  /// - Throws: `inputOutput`, or `conflict` if something has appeared at the destination meanwhile; nothing is published then.
  public func publish(
    _ files: [String], companion: String?, discarding mark: [UInt8]
  ) throws(CheckpointError) -> String? {
    if kind == .file { try OutputFile.create(publicationPath, contents: []) }
    try Directories.synchronise(partialPath)
    // Somebody may have put something there since it was looked at.
    try requireReplaceable()
    var givingWay = Set(replaced)
    if let companion, isForced { givingWay.insert(companion) }
    if !publishesSeparately {
      // Journal, spools: whatever is no part of the result.
      try removePartial { !files.contains($0) }
      // None of it comes back once the directory has its name.
      try Directories.synchronise(partialPath)
      try place(partialPath, at: path, replacing: replaces)
    } else {
      for name in files where !givingWay.contains(name) {
        let target = "\(publicationFolder)/\(name)"
        if fileExists(target) { throw somethingAppeared(target) }
      }
      // Of parts, exchanged one by one, there would be two sets for a moment.
      let isCut = files.contains { partCount?($0) != nil }
      if isCut { try removeReplaced() }
      try placeAll(files, replacing: givingWay)
      if !isCut { try removeReplaced(besides: files) }
      try Directories.synchronise(publicationFolder)
    }
    try Directories.synchronise(parent)
    // The destination is complete; what was replaced, or an empty partial directory, is only in the way.
    do throws(CheckpointError) {
      // What was replaced stands there now.
      if hasPartial && !publishesSeparately {
        try OutputFile.create("\(partialPath)/\(Self.markName)", contents: mark)
        try Directories.synchronise(partialPath)
      }
      try discardPartial()
    } catch { return hasPartial ? partialPath : nil }
    return nil
  }

  /// Makes room for parts, or removes those that one file stands instead of.
  private func removeReplaced(besides files: [String] = []) throws(CheckpointError) {
    guard kind == .file, replaces else { return }
    for name in replaced where !files.contains(name) {
      try Directories.removeTree("\(parent)/\(name)")
    }
    try Directories.synchronise(parent)
  }

  /// Gives files their names; where one can't have its own, those before it lose theirs again.
  private func placeAll(
    _ files: [String], replacing givingWay: Set<String>
  ) throws(CheckpointError) {
    var placed: [String] = []
    for name in files {
      do throws(CheckpointError) {
        try place(
          "\(partialPath)/\(name)", at: "\(publicationFolder)/\(name)",
          replacing: givingWay.contains(name))
      } catch {
        for name in placed {
          let (partial, published) = ("\(partialPath)/\(name)", "\(publicationFolder)/\(name)")
          if fileExists(partial) {
            _ = try? exchange(published, partial)
          } else {
            try? renameWithoutReplacing(published, partial)
          }
        }
        throw error
      }
      placed.append(name)
    }
  }

  private func place(
    _ source: String, at target: String, replacing: Bool
  ) throws(CheckpointError) {
    if replacing && fileExists(target) {
      if try exchange(source, target) { return }
      // Without an exchange, what was there is gone for a moment.
      try Directories.removeTree(target)
    }
    try renameWithoutReplacing(source, target)
  }
}
