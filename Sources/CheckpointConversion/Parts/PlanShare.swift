import FileContainers
import TensorModel

/// What a part does of a plan: a plan of its own, of some of the groups, whose files are files of the whole or pieces of them.
///
/// Whole files where there are as many as parts, or where files can't be joined (volumes of a store); else runs of whole tensors in the order of the
/// files, each with what stands before it in the file: headers, padding. Every byte of a file is in one part's share.
struct PlanShare {
  /// Runs like any other plan.
  let plan: ConversionPlan
  /// The places in the whole plan of its groups.
  let groups: [Int]
  /// What its files are, one for each.
  let pieces: [Piece]

  /// A file of the whole, or runs of its bytes one after the other.
  struct Piece: Hashable {
    /// The place in the whole plan.
    let file: Int
    /// The file's bytes that it consists of, ascending; nil for all, also where nobody knows how many that will be.
    let ranges: [Range<Int>]?
    /// Its name in the folder of the part.
    let name: String
  }
}

/// How a plan is divided: the units that are never cut, and their sizes.
struct PlanDivision {
  private let plan: ConversionPlan
  private let isByFile: Bool
  /// Groups by unit.
  private let units: [[Int]]
  private let runs: EvenRuns

  /// Divides a plan for so many parts.
  init(_ plan: ConversionPlan, partCount: Int) {
    self.plan = plan
    let files = plan.weightFiles
    isByFile =
      files.count >= partCount || files.contains { $0.layout == nil }
      || plan.groups.contains { group in
        group.parts.contains { $0.file != group.parts[0].file || $0.place == nil }
      }
    if isByFile {
      var units = [[Int]](repeating: [], count: files.count)
      for (place, group) in plan.groups.enumerated() { units[group.parts[0].file].append(place) }
      self.units = units
    } else {
      let starts = plan.groups.map { ($0.parts[0].file, $0.parts[0].place?.byteOffset ?? 0) }
      units = plan.groups.indices.sorted { starts[$0] < starts[$1] }.map { [$0] }
    }
    runs = EvenRuns(
      units.map { unit in unit.reduce(0) { $0 + plan.groups[$1].byteCount } })
  }

  /// What isn't divided, for messages.
  var unit: String {
    guard isByFile else { return "tensors" }
    return plan.weightFiles.contains { $0.layout == nil } ? "volumes" : "files"
  }

  /// The largest part over the mean.
  func imbalance(_ partCount: Int) -> Double { runs.imbalance(partCount) }

  /// Bytes of tensors in each part.
  func byteCounts(_ partCount: Int) -> [Int] { runs.byteCounts(partCount) }

  /// What a part does; the last ones may have nothing to do.
  func share(of part: PartNumber) -> PlanShare {
    let runs = runs.runs(part.count)
    let own = runs[part.number - 1]
    let groups = Array(units[own].joined()).sorted()
    return share(
      groups, pieces: isByFile ? own.map { wholePiece($0) } : pieces(runs)[part.number - 1])
  }

  private func wholePiece(_ file: Int) -> PlanShare.Piece {
    PlanShare.Piece(file: file, ranges: nil, name: plan.weightFiles[file].name)
  }

  /// Who writes which bytes of the files: those before a tensor go with it, and those after the last one of a file with that.
  private func pieces(_ runs: [Range<Int>]) -> [[PlanShare.Piece]] {
    var owners = [Int](repeating: 0, count: plan.groups.count)
    for (part, run) in runs.enumerated() {
      for group in units[run].joined() { owners[group] = part }
    }
    var extents = [[(end: Int, owner: Int)]](repeating: [], count: plan.weightFiles.count)
    for (place, group) in plan.groups.enumerated() {
      for tensor in group.parts {
        extents[tensor.file].append(
          ((tensor.place?.byteOffset ?? 0) + tensor.byteCount, owners[place]))
      }
    }
    var pieces = [[PlanShare.Piece]](repeating: [], count: runs.count)
    for (file, unsorted) in extents.enumerated() {
      let byteCount = plan.weightFiles[file].byteCount
      var ranges = [Int: [Range<Int>]]()
      var (start, runStart, runOwner) = (0, 0, -1)
      func close() {
        guard runOwner >= 0, start > runStart else { return }
        ranges[runOwner, default: []].append(runStart..<start)
      }
      let sorted = unsorted.sorted { ($0.end, $0.owner) < ($1.end, $1.owner) }
      for (index, extent) in sorted.enumerated() {
        if extent.owner != runOwner {
          close()
          (runStart, runOwner) = (start, extent.owner)
        }
        start = index == sorted.count - 1 ? byteCount : max(start, extent.end)
      }
      close()
      for (owner, ranges) in ranges {
        pieces[owner].append(
          ranges == [0..<byteCount]
            ? wholePiece(file)
            : PlanShare.Piece(
              file: file, ranges: ranges,
              name: "\(plan.weightFiles[file].name).from-\(ranges[0].lowerBound)"))
      }
    }
    return pieces.map { $0.sorted { $0.file < $1.file } }
  }

  private func share(_ groups: [Int], pieces: [PlanShare.Piece]) -> PlanShare {
    let files = Dictionary(uniqueKeysWithValues: pieces.enumerated().map { ($1.file, $0) })
    let maps = pieces.map { $0.ranges.map(PieceMap.init) }
    let own = groups.map { place in
      plan.groups[place].replacing { tensor in
        guard let file = files[tensor.file] else { return }
        tensor.file = file
        if let map = maps[file], let place = tensor.place { tensor.place = map.place(place) }
      }
    }
    let weightFiles = zip(pieces, maps).map { piece, map in
      let whole = plan.weightFiles[piece.file]
      guard let map, let layout = whole.layout else { return whole }
      return ConversionPlan.WeightFile(name: piece.name, layout: map.layout(layout))
    }
    return PlanShare(
      plan: plan.replacing(groups: own, weightFiles: weightFiles), groups: groups, pieces: pieces)
  }
}

/// Where bytes of a file are in a piece of it.
struct PieceMap {
  private let ranges: [Range<Int>]
  /// Where each range begins in the piece.
  private let starts: [Int]
  /// The piece's size.
  let byteCount: Int

  /// A piece that consists of some ranges of a file, ascending.
  init(_ ranges: [Range<Int>]) {
    self.ranges = ranges
    var (starts, end) = ([Int](), 0)
    for range in ranges {
      starts.append(end)
      end += range.count
    }
    self.starts = starts
    byteCount = end
  }

  /// Where a byte of the file is in the piece; nil if it is in another.
  func offset(_ offset: Int) -> Int? {
    // The last range that begins there or before.
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].lowerBound <= offset { low = middle + 1 } else { high = middle }
    }
    guard low > 0, ranges[low - 1].upperBound > offset else { return nil }
    return starts[low - 1] + offset - ranges[low - 1].lowerBound
  }

  /// A tensor's place; of its checksum's places those in the piece are filled in there, and the others by who joins the pieces.
  func place(_ place: FileLayout.Place) -> FileLayout.Place {
    FileLayout.Place(
      // A tensor without elements at the end of a range has no bytes to have a place.
      byteOffset: offset(place.byteOffset) ?? byteCount,
      checksum: place.checksum.map {
        .init(seed: $0.seed, byteOffsets: $0.byteOffsets.compactMap { offset($0) })
      })
  }

  /// The piece's layout, without places.
  func layout(_ whole: FileLayout) -> FileLayout {
    var frame = FileLayout.Frame()
    for run in whole.frame {
      let runRange = run.byteOffset..<run.byteOffset + run.bytes.count
      for (range, start) in zip(ranges, starts) where range.overlaps(runRange) {
        let common = range.clamped(to: runRange)
        frame.append(
          run.bytes[common.lowerBound - run.byteOffset..<common.upperBound - run.byteOffset],
          at: start + common.lowerBound - range.lowerBound)
      }
    }
    return FileLayout(byteCount: byteCount, frame: frame, places: [])
  }
}
