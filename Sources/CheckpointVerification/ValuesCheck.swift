import CheckpointFormats
import FileContainers
import ModelArchitectures
import TensorEvaluation
import TensorModel

/// Values that no weights should have: what was counted while every byte was read.
struct ValuesCheck {
  private let source: Source
  /// Of the stored tensors, in their order.
  private let census: [ValueCensus?]
  private let identities: [TensorIdentity]
  private let model: ModelContents?
  private let parts: Set<ExactName>
  /// What the model consists of: no masks, and no tables that its code makes; nil where that isn't known, or is everything.
  private let weights: Set<ExactName>?

  /// As of a download that stopped in a file that was as large as it should be.
  private static let tailByteCount = 4096

  /// - Parameters:
  ///   - source: what was read.
  ///   - contents: what came of that.
  init(_ source: Source, _ contents: ContentsCheck.Contents) {
    self.source = source
    census = contents.census
    identities = contents.identities
    let model = try? source.model()
    self.model = model
    parts = model?.quantized?.parts ?? []
    // Where each stored tensor stands for itself all are of the model: no table of a million names.
    let isWhole =
      model?.copies.count == source.checkpoint.tensors.count
      && model?.copies.allSatisfy { if case .stored = $0.expression { true } else { false } }
        == true
    weights =
      isWhole
      ? nil : model.map { Set($0.copies.flatMap(\.expression.sources).map { ExactName($0) }) }
  }

  /// Records the check.
  func run(_ report: inout VerificationReport) {
    let tensors = source.checkpoint.tensors
    let findings =
      brokenFindings() + zeroScaleFindings() + flatFindings() + duplicateFindings() + tailFindings()
    let looked = census.count { $0 != nil }
    report.record(
      .values, findings,
      "values of \(counted(looked, "tensor"))"
        + (looked < tensors.count ? "; the others have no elements, or no numbers" : ""))
  }

  // MARK: NaN and infinities

  private func brokenFindings() -> [Finding] {
    var findings: [Finding] = []
    for (tensor, census) in zip(source.checkpoint.tensors, census) {
      guard let census, isOfModel(tensor) else { continue }
      if let first = census.firstNaN {
        findings.append(broken("nan", "NaN", census.nanCount, first, tensor))
      }
      if let first = census.firstInfinity, !census.isMask(tensor.shape) {
        findings.append(broken("infinity", "infinite", census.infinityCount, first, tensor))
      }
    }
    return findings
  }

  private func broken(
    _ check: String, _ what: String, _ count: Int, _ first: Int, _ tensor: TensorInfo
  ) -> Finding {
    Finding(
      .error, check,
      "\(counted(count, unit(of: tensor))) of \(tensor.shape.elementCount) \(count == 1 ? "is" : "are") \(what), the first at \(Self.index(first, in: tensor.shape))",
      file: tensor.file, tensor: tensor.name)
  }

  /// What the elements of a tensor are called.
  private func unit(of tensor: TensorInfo) -> String {
    guard parts.contains(ExactName(tensor.name)) else { return "value" }
    return Self.units.first { $0.endings.contains(where: tensor.name.hasSuffix) }?.unit ?? "scale"
  }

  private static let units: [(unit: String, endings: [String])] = [
    ("code", codes), ("zero point", [".qzeros", "_zero_point"]),
    ("offset", [".biases", "_offset"]),
    ("table value", ["quant_map"]),
  ]

  // MARK: Scales of zero

  /// Scales that make all weights zero, or none of them a number.
  private func zeroScaleFindings() -> [Finding] {
    guard let model, model.quantized != nil else { return [] }
    var used: Set<ExactName> = []
    var divisors: Set<ExactName> = []
    for tensor in model.tensors {
      let sources = tensor.expression.sources.map { ExactName($0) }
      guard sources.contains(where: parts.contains) else { continue }
      used.formUnion(sources)
      divisors.formUnion(tensor.expression.divisors.map { ExactName($0) })
    }
    return zip(source.checkpoint.tensors, census).compactMap { tensor, census in
      let name = ExactName(tensor.name)
      guard census?.isZero == true, parts.contains(name) else { return nil }
      if ActivationScales.isOne(tensor.name) {
        return Finding(
          .error, "zero-scale",
          "the scale is zero, and activations are divided by it: what the layer computes is no number",
          file: tensor.file, tensor: tensor.name)
      }
      guard used.contains(name),
        tensor.dtype.isCastable || tensor.dtype == .f8e4m3, unit(of: tensor) == "scale"
      else { return nil }
      let isDivisor = divisors.contains(name)
      let subject = tensor.shape.elementCount == 1 ? "the scale is" : "all scales are"
      return Finding(
        isDivisor ? .error : .warning, "zero-scale",
        isDivisor
          ? "\(subject) zero, and weights are divided by it: none of them is a finite number"
          : "\(subject) zero, and so are all weights",
        file: tensor.file, tensor: tensor.name)
    }
  }

  private func isOfModel(_ tensor: TensorInfo) -> Bool {
    tensor.role == .weight && weights?.contains(ExactName(tensor.name)) ?? true
  }

  private static func index(_ place: Int, in shape: Shape) -> String {
    var (rest, index) = (place, [Int]())
    for extent in shape.dimensions.reversed() {
      index.append(rest % max(1, extent))
      rest /= max(1, extent)
    }
    return "[\(index.reversed().map(String.init).joined(separator: ", "))]"
  }

  // MARK: Matrices of one value

  /// Whether it is a matrix of weights: more than a row and a column, no part of a quantized weight but its codes, no mask.
  private func isMatrix(_ tensor: TensorInfo) -> Bool {
    guard tensor.dtype != .bool, tensor.shape.dimensions.count(where: { $0 > 1 }) > 1,
      tensor.sharesStorageWith == nil, isOfModel(tensor)
    else { return false }
    guard parts.contains(ExactName(tensor.name)) else { return true }
    return Self.codes.contains(where: tensor.name.hasSuffix)
  }

  private static let codes = [".weight", ".qweight", ".weight_packed", "_blocks"]

  private func flatFindings() -> [Finding] {
    zip(source.checkpoint.tensors, census).compactMap { tensor, census in
      guard let census, isMatrix(tensor), !census.isMask(tensor.shape) else { return nil }
      if census.isZero {
        return Finding(
          .warning, "all-zero", "all \(tensor.shape.elementCount) values are zero",
          file: tensor.file, tensor: tensor.name)
      }
      guard census.isConstant else { return nil }
      return Finding(
        .warning, "constant", "all \(tensor.shape.elementCount) values are the same",
        file: tensor.file, tensor: tensor.name)
    }
  }

  // MARK: The same twice

  private func duplicateFindings() -> [Finding] {
    let tied = Set(
      (model?.placed ?? [:]).filter {
        $0.key.role == .tokenEmbedding || $0.key.role == .weight(.head)
      }.flatMap(\.value.expression.sources).map { ExactName($0) })
    struct Value: Hashable {
      let type: TensorType
      let digest: Digest
    }
    var first: [Value: Int] = [:]
    var findings: [Finding] = []
    for (place, tensor) in source.checkpoint.tensors.enumerated() where isMatrix(tensor) {
      guard let census = census[place], !census.isZero, !census.isConstant,
        !census.isMask(tensor.shape)
      else { continue }
      let value = Value(
        type: TensorType(tensor.dtype, tensor.shape), digest: identities[place].digest)
      guard let earlier = first[value] else {
        first[value] = place
        continue
      }
      let other = source.checkpoint.tensors[earlier]
      if tied.contains(ExactName(tensor.name)), tied.contains(ExactName(other.name)) { continue }
      // Where the family isn't known names say which may be the same.
      if model?.sizes == nil, Self.isTable(tensor.name), Self.isTable(other.name) { continue }
      findings.append(
        Finding(
          .warning, "duplicate-tensor", "has the same bytes as '\(other.name)'", file: tensor.file,
          tensor: tensor.name))
    }
    return findings
  }

  /// Whether a name is one that an embedding or a head has, which are often the same matrix.
  private static func isTable(_ name: String) -> Bool { tables.contains(where: name.hasSuffix) }

  private static let tables = [
    "embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight",
    "tok_embeddings.weight", "shared.weight", "token_embd.weight", "lm_head.weight",
    "embed_out.weight", "output.weight", "decoder.weight", "shared_head.head.weight",
  ]

  // MARK: Ends of files

  private func tailFindings() -> [Finding] {
    var places: [String: [Int]] = [:]
    for (place, tensor) in source.checkpoint.tensors.enumerated() where tensor.byteCount > 0 {
      places[tensor.file, default: []].append(place)
    }
    return places.sorted { $0.key < $1.key }.compactMap { file, places in
      guard let (byteCount, tensor) = zerosAtEnd(places), byteCount >= Self.tailByteCount else {
        return nil
      }
      return Finding(
        .warning, "zero-tail",
        "the file's data end with \(byteCount) bytes of zeros, as after a download that stopped",
        file: file, tensor: tensor.name)
    }
  }

  /// The zeros that a file's tensors end with, and the tensor where they begin; vectors may be zero, and count for nothing.
  private func zerosAtEnd(_ places: [Int]) -> (byteCount: Int, tensor: TensorInfo)? {
    var total = 0
    var first: TensorInfo?
    for place in places.reversed() {
      let tensor = source.checkpoint.tensors[place]
      guard let census = census[place] else { break }
      if census.isZero, !isMatrix(tensor) { continue }
      guard isMatrix(tensor), !census.isMask(tensor.shape), census.zeroByteCountAtEnd > 0 else {
        break
      }
      if !census.isZero, isFilledUp(tensor, census) { break }
      total += census.zeroByteCountAtEnd
      first = tensor
      if !census.isZero { break }
    }
    return first.map { (total, $0) }
  }

  /// Whether zeros are rows of a vocabulary that is filled up to a round number: up to 1/8 of its rows, and at most 1,024.
  private func isFilledUp(_ tensor: TensorInfo, _ census: ValueCensus) -> Bool {
    let rowCount = max(1, tensor.shape.dimensions[0])
    let (zeroRows, rest) = census.zeroByteCountAtEnd.quotientAndRemainder(
      dividingBy: max(1, tensor.byteCount / rowCount))
    guard zeroRows <= min(rowCount / 8, 1024), rest < Self.tailByteCount else { return false }
    return (model?.placed ?? [:]).contains {
      ($0.key.role == .tokenEmbedding || $0.key.role == .weight(.head))
        && $0.value.expression.sources.contains(tensor.name)
    }
  }
}

extension TensorExpression {
  /// The stored tensors that others are divided by.
  fileprivate var divisors: [String] {
    var (pending, names) = ([self], [String]())
    while let next = pending.popLast() {
      if case .combine(.quotient, _, let divisor) = next { names += divisor.sources }
      pending += next.operands
    }
    return names
  }
}
