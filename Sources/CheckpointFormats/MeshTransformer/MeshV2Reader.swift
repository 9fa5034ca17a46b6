// Mesh-Transformer v2 (write_ckpt_v2):
//
// 1. step_<N>/meta.json: { "total_hosts": H, "step": N, "param_order": [...], "opt_order": [...] }
// 2. step_<N>/params/shard_<host>.npz: arr_k is the parameter param_order[k], layers stacked on axis 0
// 3. step_<N>/opt_state/shard_<host>.npz: the same for the optimizer's leaves

import FileContainers
import TensorModel

/// The v2 layout: its tensors can be listed and digested, not mapped.
final class MeshV2Reader: CheckpointReader {
  let checkpoint: Checkpoint
  private let reader: ArrayReader

  /// Opens the checkpoint below a step folder.
  init(_ tree: any FileTree, folder: String, _ options: OpenOptions) throws(CheckpointError) {
    let prefix = folder.isEmpty ? "" : "\(folder)/"
    let meta: JSONValue
    do {
      meta = try JSONValue(
        parsing: tree.contents(
          of: "\(prefix)meta.json", limit: OpenOptions.maximumConfigurationByteCount))
    } catch { throw error.in(file: "\(prefix)meta.json") }
    let hosts = try meta.positiveInteger("total_hosts")
    var arrays: [NamedArray] = []
    var files: [Checkpoint.SourceFile] = []
    var findings: [Finding] = []
    for (part, key) in [("params", "param_order"), ("opt_state", "opt_order")] {
      let order = (meta[key]?.elements ?? []).map { $0.text ?? "" }
      for host in 0..<hosts {
        let path = "\(prefix)\(part)/shard_\(host).npz"
        if part == "opt_state" && !tree.containsFile(path) { continue }
        let region = try tree.region(path)
        files.append(.init(name: path, byteCount: region.byteCount))
        let archive: NPZArchive
        do {
          archive = try NPZArchive(
            region, name: path, unpacking: options.unpacking)
        } catch { throw error.in(file: path) }
        findings += archive.findings
        for member in archive.arrays {
          // Optimizer names repeat (mean, variance), so the place is part of the name.
          let place = Int(member.name.dropFirst(4)) ?? -1
          let name = order.indices.contains(place) ? order[place] : ""
          arrays.append(
            NamedArray(
              name: "host_\(host)/\(part)/\(member.name)\(name)", array: member.array, file: path))
        }
      }
    }
    reader = try ArrayReader(
      format: MeshTransformerFormat.name,
      layout: "v2 layout, \(counted(hosts, "host"))", arrays: arrays, files: files,
      findings: findings)
    checkpoint = reader.checkpoint
  }

  func confirm(_ position: Int) throws(CheckpointError) { try reader.confirm(position) }

  func read(
    _ position: Int, _ region: MatrixRegion, into destination: MatrixBuffer
  ) throws(CheckpointError) {
    try reader.read(position, region, into: destination)
  }

  func canonicalTensors() throws(CheckpointError) -> [CanonicalTensor] {
    throw CheckpointError(
      .unsupported, "Mesh-Transformer's v2 layout can be inspected, not converted",
      hint:
        "its model is not GPT-J (GEGLU, one fused projection), and how the projection's columns are interleaved depends on a number of cores that the files don't say"
    )
  }
}
