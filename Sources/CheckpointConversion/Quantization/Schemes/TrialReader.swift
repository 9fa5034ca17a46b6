import CheckpointFormats
import FileContainers
import Foundation
import Synchronization
import TensorEvaluation
import TensorModel

/// Reads the result of a plan that isn't written: tensors are evaluated when they are asked for, the way a conversion does it.
///
/// In a stage a group's tensors are evaluated once and stay in memory. Those that there is no room for, and what is read outside of stages, are evaluated
/// region by region.
final class TrialReader: StagedReader {
  /// What the result would be opened as, with holes instead of tensors.
  private let frame: any CheckpointReader
  private let plan: ConversionPlan
  private let source: any CheckpointReader
  private let memory: Int
  private let resources: EvaluationResources
  /// Where a tensor of the result is in the plan.
  private let places: [Place]
  private let state = Mutex(State())
  /// Evaluates a group and records what is measured of it.
  private let evaluate: Evaluation

  /// Evaluates a group, and gives its bytes to a body.
  typealias Evaluation =
    @Sendable (_ group: Int, _ body: @escaping @Sendable (EvaluatedSlab) -> Void)
    throws(CheckpointError) -> Void

  private struct Place {
    let group: Int
    let part: Int
  }

  private struct State {
    var isInStage = false
    var byteCount = 0
    var groups: [Int: [HeldBytes]] = [:]
  }

  /// A reader of a plan's result.
  ///
  /// - Parameters:
  ///   - plan: whose files have fixed layouts.
  ///   - source: reads what is evaluated.
  ///   - folder: for the files' frames, which are there only while they are opened.
  ///   - memory: for tensors, in bytes.
  ///   - resources: for what is evaluated region by region.
  ///   - evaluate: evaluates a group.
  /// - Throws: what writing the frames and opening them throws.
  init(
    _ plan: ConversionPlan, _ source: any CheckpointReader, folder: String, memory: Int,
    _ resources: EvaluationResources, _ evaluate: @escaping Evaluation
  ) throws(CheckpointError) {
    self.plan = plan
    self.source = source
    self.memory = memory
    self.resources = resources
    self.evaluate = evaluate
    frame = try plan.openedFrame(in: folder, resources)
    var planned: [ExactName: Place] = [:]
    for (group, output) in plan.groups.enumerated() {
      for (part, tensor) in output.parts.enumerated() {
        planned[ExactName(tensor.name)] = Place(group: group, part: part)
      }
    }
    var places: [Place] = []
    for tensor in frame.checkpoint.tensors {
      guard let place = planned[ExactName(tensor.name)] else {
        throw CheckpointError(.inputOutput, "isn't planned", tensor: tensor.name)
      }
      places.append(place)
    }
    self.places = places
  }

  var checkpoint: Checkpoint { frame.checkpoint }

  func beginStage() { state.withLock { $0.isInStage = true } }

  func endStage() { state.withLock { $0 = State() } }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let place = places[position]
    if let parts = try parts(of: place.group) {
      return parts[place.part].copy(region, into: destination)
    }
    let tensor = plan.groups[place.group].parts[place.part]
    do throws(CheckpointError) {
      try evaluate(tensor, region, into: destination)
    } catch { throw error.in(tensor: tensor.name) }
  }

  /// The bytes of a group's tensors; nil where they aren't kept.
  private func parts(of place: Int) throws(CheckpointError) -> [HeldBytes]? {
    try state.withLock { (state) throws(CheckpointError) -> [HeldBytes]? in
      if let parts = state.groups[place] { return parts }
      let group = plan.groups[place]
      guard state.isInStage, group.byteCount <= memory - state.byteCount else { return nil }
      var parts: [HeldBytes] = []
      for part in group.parts { parts.append(try HeldBytes(part.type.geometry)) }
      let filled = parts
      try evaluate(place) { slab in
        for (bytes, part) in zip(filled, slab.parts) { bytes.set(part.bytes, at: part.byteOffset) }
      }
      state.byteCount += group.byteCount
      state.groups[place] = parts
      return parts
    }
  }

  /// Evaluates whole rows, which is how weights are quantized, and copies the region.
  private func evaluate(
    _ tensor: ConversionPlan.PlannedTensor, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let expression = try CompiledExpression(tensor.expression, in: source.checkpoint)
    let geometry = tensor.type.geometry
    let evaluator = CounterpartEvaluator(source, [expression], resources)
    let step = max(1, (1 << 20) / max(1, geometry.rowByteCount))
    let (skipped, wanted) = (
      region.columns.lowerBound * geometry.cellByteCount,
      region.columns.count * geometry.cellByteCount
    )
    for first in stride(from: region.rows.lowerBound, to: region.rows.upperBound, by: step) {
      let rows = first..<min(region.rows.upperBound, first + step)
      try evaluator.withCounterpart(
        MatrixRegion(rows: rows, columns: 0..<geometry.columns), at: 0,
        byteCount: rows.count * geometry.rowByteCount
      ) { bytes in
        guard let base = bytes.baseAddress else { return }
        for row in 0..<rows.count {
          destination.advanced(rows: first - region.rows.lowerBound + row).base.copyMemory(
            from: base + row * geometry.rowByteCount + skipped, byteCount: wanted)
        }
      }
    }
  }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    try frame.canonicalTensors()
  }

  func makeHuggingFaceConfiguration() throws(CheckpointError) -> [UInt8]? {
    try frame.makeHuggingFaceConfiguration()
  }
}

extension ConversionPlan {
  /// What the files are opened as before any tensor is written.
  ///
  /// - Parameters:
  ///   - folder: for the files, which are removed once they are open.
  ///   - resources: say whether to go on.
  /// - Returns: a reader of the frames, and of zeros.
  /// - Throws: what writing and opening throw.
  fileprivate func openedFrame(
    in folder: String, _ resources: EvaluationResources
  ) throws(CheckpointError) -> any CheckpointReader {
    let trial = "\(folder)/weighbridge-trial-\(ProcessInfo.processInfo.processIdentifier)"
    defer { try? Directories.removeTree(trial) }
    try Directories.removeTree(trial)
    for file in weightFiles {
      guard let layout = file.layout else { continue }
      let path = "\(trial)/\(file.name)"
      try Directories.createParents(of: "\(Directories.split(trial).name)/\(file.name)", in: folder)
      // Without room for the tensors: what isn't written takes none.
      let output = try OutputFile(creating: path, byteCount: 0)
      for run in layout.frame { try output.write(at: run.byteOffset, run.bytes) }
      let end = layout.frame.ranges.map(\.upperBound).max() ?? 0
      if end < layout.byteCount { try output.write(at: layout.byteCount - 1, [0]) }
    }
    for sidecar in sidecars {
      let path = "\(trial)/\(sidecar.name)"
      try Directories.createParents(
        of: "\(Directories.split(trial).name)/\(sidecar.name)", in: folder)
      try sidecar.write(to: path, resources)
    }
    return try openedResult(in: trial)
  }
}
