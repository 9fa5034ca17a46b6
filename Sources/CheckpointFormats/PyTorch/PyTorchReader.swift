import CTensorKernels
import FileContainers
import TensorModel

/// One file of PyTorch's, or a sharded set with its index.
final class PyTorchReader: CheckpointReader {
  let checkpoint: Checkpoint
  private let elements: [Elements]
  private let files: [(name: String, file: TorchFile)]
  /// Why it can't be converted; nil if it can.
  private let obstacle: CheckpointError?

  /// Where a tensor's elements are.
  private struct Elements {
    let tensor: TorchTensor
    let storage: any RandomAccessBytes
    let geometry: MatrixGeometry
    let isContiguous: Bool
    /// Bytes whose order is reversed; 1 for none.
    let swappedByteCount: Int

    /// The same where they don't lie one after the other; a scalar is a row.
    var strided: StridedElements {
      let isScalar = tensor.shape.rank == 0
      return StridedElements(
        storage, byteOffset: tensor.byteOffset,
        extents: isScalar ? [1] : tensor.shape.dimensions,
        strides: isScalar ? [0] : tensor.strides, elementByteCount: tensor.element.byteCount)
    }
  }

  /// Opens files.
  ///
  /// - Parameters:
  ///   - shards: in the order of the index, or one.
  ///   - index: of a sharded set.
  ///   - indexFile: the same as a file.
  ///   - unpacking: where deflated members are unpacked.
  /// - Throws: what opening each throws, with its name.
  init(
    _ shards: [(name: String, region: FileRegion)], index: ShardIndex? = nil,
    indexFile: [Checkpoint.SourceFile] = [], unpacking: Unpacking
  ) throws(CheckpointError) {
    var tensors: [TensorInfo] = []
    var elements: [Elements] = []
    var files: [(name: String, file: TorchFile)] = []
    var findings: [Finding] = []
    var obstacle: CheckpointError?
    var unlisted: [(name: String, file: String)] = []
    for shard in shards {
      do throws(CheckpointError) {
        if let error = StandIn.error(head: try shard.region.head(512)) { throw error }
        let file = try TorchFile(shard.region, unpacking: unpacking)
        files.append((shard.name, file))
        var owners: [String: String] = [:]
        for (name, tensor) in file.dictionary.tensors {
          let info = try Self.info(name, tensor, shard.name, sharing: owners[tensor.storage.key])
          owners[tensor.storage.key] = owners[tensor.storage.key] ?? name
          tensors.append(info)
          elements.append(Self.elements(info, tensor, file))
        }
        unlisted += file.dictionary.unlisted.map { ($0, shard.name) }
        obstacle = obstacle ?? Self.obstacle(file.dictionary)?.in(file: shard.name)
        findings += file.findings.map {
          Finding($0.severity, $0.check, $0.message, file: shard.name, tensor: $0.tensor)
        }
      } catch { throw error.in(file: shard.name) }
    }
    if let index { findings += try index.check(tensors, unreadable: unlisted) }
    var checkpoint = try Checkpoint(
      format: PyTorchFormat.name,
      layout: index == nil
        ? "one file" : "\(counted(shards.count, "shard")) with an index",
      tensors: tensors,
      files: shards.map { .init(name: $0.name, byteCount: $0.region.byteCount) } + indexFile)
    checkpoint.findings = findings + nameFindings(tensors)
    self.checkpoint = checkpoint
    self.elements = elements
    self.files = files
    self.obstacle = obstacle
  }

  private static func info(
    _ name: String, _ tensor: TorchTensor, _ file: String, sharing owner: String?
  ) throws(CheckpointError) -> TensorInfo {
    guard let dtype = tensor.element.dtype else {
      throw CheckpointError(.unsupported, "an unknown element type", tensor: name)
    }
    var shape = tensor.shape
    if tensor.element.packing > 1, let last = shape.dimensions.last {
      let (widened, overflow) = last.multipliedReportingOverflow(by: tensor.element.packing)
      guard !overflow else {
        throw CheckpointError(.malformed, "an impossible shape", tensor: name)
      }
      shape = try Shape(checking: shape.dimensions.dropLast() + [widened])
    }
    return try TensorInfo(
      name: name, dtype: dtype, shape: shape, file: file, sharesStorageWith: owner,
      isScattered: tensor.isScattered)
  }

  private static func elements(
    _ info: TensorInfo, _ tensor: TorchTensor, _ file: TorchFile
  ) -> Elements {
    let number = info.dtype == .c64 ? 4 : info.dtype.blockByteCount
    return Elements(
      tensor: tensor, storage: file.storage(of: tensor),
      geometry: MatrixGeometry(dtype: info.dtype, shape: info.shape),
      isContiguous: tensor.isContiguous, swappedByteCount: file.isBigEndian ? number : 1)
  }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    if let obstacle { throw obstacle }
    return storedTensors
  }

  /// The first tensor without which there is nothing to convert.
  private static func obstacle(_ dictionary: StateDictionary) -> CheckpointError? {
    if let first = dictionary.missing.names.first {
      let more = dictionary.missing.names.count - 1
      return CheckpointError(
        .unsupported,
        "its values are not in the file" + (more > 0 ? " (nor those of \(more) more)" : ""),
        tensor: first, hint: dictionary.missing.hint)
    }
    return dictionary.unreadable.first.map {
      CheckpointError(
        .unsupported, "\($0.kind), which can't be converted", tensor: $0.name,
        hint:
          "make it an ordinary tensor in Python first (.dequantize(), .to_dense(), .resolve_conj(), .resolve_neg()) and save it again"
      )
    }
  }

  func confirmUnlisted() throws(CheckpointError) {
    for (name, file) in files {
      do throws(CheckpointError) { try file.confirmUnlisted() } catch { throw error.in(file: name) }
    }
  }

  func confirm(_ position: Int) throws(CheckpointError) {
    do throws(CheckpointError) { try elements[position].storage.confirm() } catch {
      let tensor = checkpoint.tensors[position]
      throw error.in(file: tensor.file, tensor: tensor.name)
    }
  }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    guard region.cellCount > 0 else { return }
    let elements = elements[position]
    do throws(CheckpointError) {
      if elements.isContiguous {
        try elements.storage.read(
          matrixAt: elements.tensor.byteOffset, elements.geometry, region, into: destination)
      } else {
        try elements.strided.read(region, into: destination)
      }
    } catch {
      let tensor = checkpoint.tensors[position]
      throw error.in(file: tensor.file, tensor: tensor.name)
    }
    if elements.swappedByteCount > 1 {
      wb_swap_rows(
        destination.base, destination.rowStride, region.rows.count,
        region.columns.count * elements.geometry.cellByteCount, elements.swappedByteCount)
    }
  }
}
