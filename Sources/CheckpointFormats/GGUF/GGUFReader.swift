import CTensorKernels
import FileContainers
import ModelArchitectures
import TensorModel

/// A GGUF file, or a split set.
final class GGUFReader: CheckpointReader {
  let checkpoint: Checkpoint
  /// The metadata, of a set those of its first part.
  let header: GGUFHeader
  private let places: [Place]
  /// What the user gave instead of what the metadata say.
  private let givenConfiguration: [UInt8]?

  private struct Place {
    let region: FileRegion
    /// Bytes whose order is reversed; 1 for none.
    let swappedByteCount: Int
  }

  /// Opens the parts of a set, or one file.
  ///
  /// - Throws: what is wrong with a header, with the file's name; `missing` if parts are.
  init(
    _ parts: [(name: String, region: FileRegion)], _ options: OpenOptions = OpenOptions()
  ) throws(CheckpointError) {
    var tensors: [TensorInfo] = []
    var places: [Place] = []
    var headers: [GGUFHeader] = []
    var findings: [Finding] = []
    for part in parts {
      do throws(CheckpointError) {
        if let error = StandIn.error(head: try part.region.head(512)) { throw error }
        let header = try GGUFHeader(part.region)
        for tensor in header.tensors {
          guard
            let region = part.region.part(at: tensor.range.lowerBound, count: tensor.range.count)
          else { continue }  // Within the file, as the header has checked.
          places.append(try Self.place(tensor, region, header))
          tensors.append(
            try TensorInfo(
              name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, file: part.name))
        }
        findings += Self.findings(header, part.name)
        headers.append(header)
      } catch { throw error.in(file: part.name) }
    }
    guard let first = headers.first else {
      throw CheckpointError(.missing, "there is no GGUF file")
    }
    try GGUFSplit.check(headers, parts.map(\.name), tensorCount: tensors.count)
    header = first
    // Where two checkpoints have one configuration, it is for the one that doesn't say enough.
    let isKnown = GGUFConfiguration(first, []).architecture != nil
    givenConfiguration = options.replacesConfiguration || !isKnown ? options.configuration : nil
    var checkpoint = try Checkpoint(
      format: GGUFFormat.name,
      layout: parts.count == 1
        ? "version \(first.version)\(first.isBigEndian ? ", big-endian" : "")"
        : "\(parts.count) parts of a set",
      tensors: tensors,
      files: parts.map { .init(name: $0.name, byteCount: $0.region.byteCount) })
    checkpoint.findings = findings + nameFindings(tensors)
    for (key, value) in first.metadata { checkpoint.metadata[ExactName(key)] = value.description }
    self.checkpoint = checkpoint
    self.places = places
  }

  private static func place(
    _ tensor: GGUFHeader.Tensor, _ region: FileRegion, _ header: GGUFHeader
  ) throws(CheckpointError) -> Place {
    guard header.isBigEndian else { return Place(region: region, swappedByteCount: 1) }
    guard !tensor.dtype.isBlockQuantized else {
      throw CheckpointError(
        .unsupported, "a quantized tensor in a big-endian file", tensor: tensor.name,
        hint: "convert it on the machine that it is from")
    }
    return Place(region: region, swappedByteCount: tensor.dtype.blockByteCount)
  }

  private static func findings(_ header: GGUFHeader, _ file: String) -> [Finding] {
    var findings: [Finding] = []
    if header.metadata.isEmpty && header.tensors.isEmpty {
      findings.append(Finding(.warning, "gguf-empty", "neither metadata nor tensors", file: file))
    }
    if header.trailingByteCount > 0 {
      findings.append(
        Finding(
          .warning, "gguf-trailing-bytes",
          "\(header.trailingByteCount) bytes after the last tensor", file: file))
    }
    for tensor in header.tensors where tensor.shape.rank == 0 || tensor.shape.elementCount == 0 {
      findings.append(
        Finding(
          .warning, "gguf-shape", "a shape \(tensor.shape) that llama.cpp doesn't write",
          file: file, tensor: tensor.name))
    }
    return findings
  }

  /// Whether the metadata are the configuration, as nobody gave another.
  var makesConfiguration: Bool { givenConfiguration == nil }

  func makeHuggingFaceConfiguration() throws(CheckpointError) -> [UInt8]? {
    guard makesConfiguration else { return nil }
    let document = try GGUFConfiguration(
      header, checkpoint.tensors, try rotaryTensors()
    ).document()
    guard let document else { return nil }
    let text = Array((document.documentText + "\n").utf8)
    // Old versions of this program kept what the source's said of its codes. What is no configuration is refused where it is read.
    return (try? HuggingFaceConfiguration(parsing: text))?.ofValues ?? text
  }

  /// The tensors under the names of the family, if there is one and the keys say enough; otherwise as they are.
  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    var bytes = givenConfiguration
    if bytes == nil {
      bytes =
        try ifUsable { () throws(CheckpointError) in try makeHuggingFaceConfiguration() } ?? nil
    }
    // What is wrong with a configuration or with its sizes is said where the model is checked.
    guard let bytes, let configuration = try? HuggingFaceConfiguration(parsing: bytes),
      let architecture = configuration.architecture, let table = architecture.gguf,
      (try? configuration.dimensions()) != nil
    else { return storedTensors }
    let decoder: DecoderConfiguration
    do throws(CheckpointError) {
      decoder = try DecoderConfiguration(configuration, isStrict: false)
    } catch { throw explained(error) }
    try requireDivisors(of: decoder, table)
    let model = try GGUFModel(checkpoint, architecture, table, decoder)
    for name in model.zeroBiases { try requireZero(name) }
    return model.tensors
  }

  /// What rotary frequencies are divided by.
  private func rotaryTensors() throws(CheckpointError) -> GGUFRotaryTensors {
    var values: [String: [Float]] = [:]
    for name in GGUFRotaryTensors.names {
      guard let position = checkpoint.position(of: name) else { continue }
      let tensor = checkpoint.tensors[position]
      guard tensor.dtype == .f32, tensor.shape.rank == 1,
        tensor.shape.elementCount <= GGUFRotaryTensors.maximumCount
      else {
        throw CheckpointError(
          .malformed, "rotary divisors aren't a vector of binary32", file: tensor.file,
          tensor: tensor.name, found: "\(tensor.dtype.rawValue) \(tensor.shape)")
      }
      var divisors: [Float] = []
      try StoredRun(self, position).forEach { (piece) in
        for offset in stride(from: 0, to: piece.count, by: 4) {
          let bits = piece.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
          divisors.append(Float(bitPattern: UInt32(littleEndian: bits)))
        }
        return true
      }
      values[name] = divisors
    }
    return GGUFRotaryTensors(values)
  }

  /// Rotary divisors say the same as the configuration, which a user may have given.
  private func requireDivisors(
    of configuration: DecoderConfiguration, _ table: GGUFTable
  ) throws(CheckpointError) {
    guard !table.rotaryTensorNames.isEmpty, configuration.rotary != nil,
      let contradiction = try rotaryTensors().contradiction(to: configuration)
    else { return }
    throw CheckpointError(
      .malformed, "rotary divisors that don't follow from the configuration",
      tensor: contradiction.name, expected: "\(contradiction.expected.prefix(4))…",
      found: "\(contradiction.found.prefix(4))…",
      hint: "does the config.json belong to the model?")
  }

  /// A bias that the family doesn't have may only be there to fill the graph.
  private func requireZero(_ name: String) throws(CheckpointError) {
    guard let position = checkpoint.position(of: name) else { return }
    var isZero = true
    try StoredRun(self, position).forEach { (piece) in
      isZero = piece.allSatisfy { $0 == 0 }
      return isZero
    }
    guard isZero else {
      throw CheckpointError(
        .unsupported, "a bias that the family doesn't have",
        file: checkpoint.tensors[position].file,
        tensor: name, expected: "zeros, which fill the graph")
    }
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    let (tensor, place) = (checkpoint.tensors[position], places[position])
    let geometry = MatrixGeometry(dtype: tensor.dtype, shape: tensor.shape)
    do throws(CheckpointError) {
      try place.region.read(matrixAt: 0, geometry, region, into: destination)
    } catch { throw error.in(file: tensor.file, tensor: tensor.name) }
    if place.swappedByteCount > 1 {
      wb_swap_rows(
        destination.base, destination.rowStride, region.rows.count,
        region.columns.count * geometry.cellByteCount, place.swappedByteCount)
    }
  }
}
