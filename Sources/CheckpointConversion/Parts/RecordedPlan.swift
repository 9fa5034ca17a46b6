// plan.json, beside the parts: what a plan says that merging needs, so that no source is needed for it.
//
// 1. one JSON object, of lines: {"frame":{…},"groups":[ on the first, then a list of groups with a comma on each, and ]} on the last
// 2. the frame: the certificate as far as it is known before any tensor is, the files and their frames, what a store's manifest says
// 3. a group: its tensors, and how a store keeps them

import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel

/// A plan as it lies beside the parts.
struct RecordedPlan: Sendable {
  /// Everything but the tensors.
  let frame: Frame
  /// What is evaluated at once, in canonical order.
  let groups: [Group]

  struct Frame: Codable, Sendable {
    var schema = "parts-plan/v1"
    /// The certificate, without tensors, digests of inputs, sizes of volumes and what reading brings up.
    let certificate: Certificate
    let files: [File]
    let companions: [String]
    /// Nil for other formats.
    let store: Store?
    /// Whether the parts of a set stand instead of the file, and give way to it.
    let replacesSets: Bool
    /// What a quantization's report begins with; nil for other conversions.
    let quantization: QuantizationOutline.Head?
    /// How the parts were asked for; nil where nobody has said it.
    let invocation: PartsInvocation?
  }

  /// A file that holds tensors.
  struct File: Codable, Sendable {
    let name: String
    /// Its size; nil for a volume of a store.
    let byteCount: Int?
    /// Where its fixed bytes are: offset and count of each run.
    let frame: [[Int]]
    /// SHA-256 of all fixed bytes in order, with zeros where checksums go.
    let frameDigest: Digest?
    /// Where the checksum of each tensor goes, the first place being before the tensor.
    let checksums: [[Int]]
  }

  /// What a store's manifest says beside what the certificate does.
  struct Store: Codable, Sendable {
    let trainingStep: Int?
    /// Keys with their values; names that look alike may differ in their bytes.
    let metadata: [[String]]
  }

  struct Group: Codable, Sendable {
    let tensors: [TensorStatement]
    /// The extents of a store's chunks; nil for tensors in one piece and other formats.
    var chunk: [Int]?
    var filters: [StoreManifest.Filter.RawValue]?
    /// What a quantization's report says of it; nil for what belongs to the weight before it, and for other conversions.
    var weight: QuantizationOutline.Weight?

    /// How a store keeps it.
    var encoding: StoreManifest.Encoding {
      guard let chunk, let filters else { return .contiguous }
      return .chunked(chunk, filters.compactMap(StoreManifest.Filter.init))
    }
  }

  /// How many groups stand on a line.
  private static let lineCount = 256

  // MARK: Writing

  /// The text of a plan.
  ///
  /// - Parameters:
  ///   - plan: of a conversion.
  ///   - digest: of the plan.
  ///   - source: what it converts.
  ///   - resources: for what a store says of the source.
  ///   - replacesSets: whether sets of files give way to the one.
  ///   - invocation: how the parts were asked for.
  /// - Returns: JSON.
  /// - Throws: what reading the source's headers throws.
  static func text(
    _ plan: ConversionPlan, _ digest: Digest, _ source: Source, _ resources: EvaluationResources,
    replacesSets: Bool, _ invocation: PartsInvocation?
  ) throws(CheckpointError) -> [UInt8] {
    var store: Store?
    if plan.format == StoreFormat.name {
      let metadata = try Planner(source, plan.settings, resources).metadata()
      store = Store(
        trainingStep: source.checkpoint.trainingStep,
        metadata: metadata.sorted { $0.key < $1.key }.map { [$0.key.text, $0.value] })
    }
    let outline = plan.settings.quantization.map { QuantizationOutline(plan, $0) }
    let weights = Dictionary(
      (outline?.weights ?? []).map { ($0.tensors.lowerBound, $0) }, uniquingKeysWith: { $1 })
    let frame = Frame(
      certificate: Certificate(plan, digest, source), files: File.all(of: plan),
      companions: plan.companions, store: store, replacesSets: replacesSets,
      quantization: outline?.head, invocation: invocation)
    var text = Array("{\"frame\":".utf8) + (try json(frame)) + Array(",\"groups\":[".utf8)
    let runs = ParallelPieces.runs(of: plan.groups.count, lineCount)
    let lines = try ParallelPieces.map(runs.count) { (place) throws(CheckpointError) in
      try Group.json(
        runs[place].map {
          Group(plan.groups[$0], in: plan, weights[plan.places(of: $0).lowerBound])
        })
    }
    for (place, line) in lines.enumerated() {
      text += (place == 0 ? "\n" : ",\n").utf8
      text += line
    }
    text += "\n]}\n".utf8
    return text
  }

  static func json(_ value: some Encodable) throws(CheckpointError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do { return [UInt8](try encoder.encode(value)) } catch {
      throw CheckpointError(.inputOutput, "can't write JSON: \(error)")
    }
  }

  // MARK: Reading

  /// Reads a plan.
  ///
  /// - Parameters:
  ///   - text: of the file, whose digest was compared.
  ///   - path: for messages.
  /// - Throws: `malformed`.
  init(parsing text: [UInt8], _ path: String) throws(CheckpointError) {
    var lines = text.split(separator: UInt8(ascii: "\n"))
    guard lines.count >= 2 else { throw Self.malformed(path) }
    lines.removeLast()
    let head = lines.removeFirst()
    let (start, end) = (Array("{\"frame\":".utf8), Array(",\"groups\":[".utf8))
    guard head.starts(with: start), head.suffix(end.count).elementsEqual(end) else {
      throw Self.malformed(path)
    }
    frame = try Self.parsed(Frame.self, head.dropFirst(start.count).dropLast(end.count), path)
    let pieces = lines
    groups = try ParallelPieces.map(pieces.count) { (place) throws(CheckpointError) in
      let line = pieces[place]
      let list = line.last == UInt8(ascii: ",") ? line.dropLast() : line
      let groups = try Self.parsed([Group].self, list, path)
      guard groups.allSatisfy({ !$0.tensors.isEmpty }) else { throw Self.malformed(path) }
      return groups
    }.flatMap { $0 }
  }

  /// What the report of a quantization needs of the plan; nil for other conversions.
  ///
  /// - Parameter path: of the file, for messages.
  /// - Returns: the outline.
  /// - Throws: `malformed` if it isn't of the tensors that are written.
  func outline(_ path: String) throws(CheckpointError) -> QuantizationOutline? {
    guard let head = frame.quantization else { return nil }
    var weights: [QuantizationOutline.Weight] = []
    var (place, totals) = (0, [0, 0])
    for group in groups {
      if let weight = group.weight {
        let sums = zip(totals, [weight.byteCount, weight.shape.elementCount]).map {
          $0.addingReportingOverflow($1)
        }
        guard weight.tensors == place..<place + group.tensors.count, weight.byteCount >= 0,
          sums.allSatisfy({ !$0.overflow && $0.partialValue < 1 << 56 })
        else { throw Self.malformed(path) }
        totals = sums.map(\.partialValue)
        weights.append(weight)
      }
      place += group.tensors.count
    }
    return QuantizationOutline(head: head, weights: weights)
  }

  /// Reads JSON of ours.
  ///
  /// - Throws: `malformed`.
  static func parsed<Value: Decodable>(
    _ type: Value.Type, _ text: ArraySlice<UInt8>, _ path: String
  ) throws(CheckpointError) -> Value {
    do { return try JSONDecoder().decode(type, from: Data(text)) } catch {
      throw malformed(path)
    }
  }

  private static func malformed(_ path: String) -> CheckpointError {
    CheckpointError(
      .malformed, "not what parts of a conversion say", file: path,
      hint: "another version of weighbridge may have written it: do all parts with one version")
  }
}

extension Certificate {
  /// What is known before any tensor is.
  fileprivate init(_ plan: ConversionPlan, _ digest: Digest, _ source: Source) {
    self.init(
      tool: .current, plan: digest,
      source: SourceRecord(
        format: plan.source.format, layout: plan.source.layout,
        architecture: plan.source.architecture),
      format: plan.format, settings: SettingsRecord(plan.settings), attention: plan.attention,
      base: plan.base.map(Certificate.Base.init),
      inputs: source.inputs.map {
        InputRecord(name: $0.name, byteCount: $0.byteCount, digest: nil)
      }, tensors: [], files: [], assets: plan.assetRecords, leftOut: plan.leftOut,
      findings: plan.findings, root: digest)
  }
}

extension RecordedPlan.File {
  /// The files of a plan.
  fileprivate static func all(of plan: ConversionPlan) -> [RecordedPlan.File] {
    var checksums = [[[Int]]](repeating: [], count: plan.weightFiles.count)
    for tensor in plan.tensors {
      if let checksum = tensor.place?.checksum {
        checksums[tensor.file].append(checksum.byteOffsets)
      }
    }
    return zip(plan.weightFiles, checksums).map { file, checksums in
      guard let layout = file.layout else {
        return RecordedPlan.File(
          name: file.name, byteCount: nil, frame: [], frameDigest: nil, checksums: [])
      }
      var digest = StreamingDigest()
      for run in layout.frame { run.bytes.withUnsafeBytes { digest.update($0) } }
      return RecordedPlan.File(
        name: file.name, byteCount: layout.byteCount,
        frame: layout.frame.ranges.map { [$0.lowerBound, $0.count] }, frameDigest: digest.digest,
        checksums: checksums)
    }
  }
}

extension RecordedPlan.Group {
  fileprivate init(
    _ group: ConversionPlan.OutputGroup, in plan: ConversionPlan,
    _ weight: QuantizationOutline.Weight?
  ) {
    self.weight = weight
    tensors = group.parts.map { TensorStatement($0, in: plan.fileName(of: $0)) }
    if case .chunked(let chunk, let filters)? = group.parts[0].encoding {
      self.chunk = chunk
      self.filters = filters.map(\.rawValue)
    }
  }
}
