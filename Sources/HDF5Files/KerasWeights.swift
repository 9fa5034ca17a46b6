// The weights of a Keras file (https://github.com/keras-team/keras/blob/v2.15.0/keras/saving/legacy/hdf5_format.py), without trust: nothing
// is followed that leads out of the file or around in it, and no element is read. libhdf5 itself has crashed on damaged files before: call
// this in a process of its own, with `limitProcess`.
//
//   1. the root's attribute `layer_names` lists groups, or, as transformers shards its models, the paths of weights themselves
//   2. a layer's attribute `weight_names` lists the paths of its weights in it
//   3. a list that is too long for an attribute is cut: `weight_names0`, `weight_names1`, …
//   4. weights of the model itself lie in the group `top_level_model_weights`, which isn't in the list of layers

import CHDF5
import CHDF5Driver
public import FileContainers
public import TensorModel

extension DatasetCatalogue {
  /// Lists the weights of a Keras file.
  ///
  /// - Parameters:
  ///   - descriptor: of an open file, which isn't trusted: it may end the process.
  ///   - offset: where HDF5's signature is in it.
  ///   - byteCount: from there to the end.
  /// - Throws: `malformed` if libhdf5 can't read it; `unsupported` for files that are no Keras file, or weights that aren't read.
  public init(descriptor: Int32, offset: Int, byteCount: Int) throws(CheckpointError) {
    self.init()
    self = try HDF5.exclusively { () throws(CheckpointError) in
      do throws(CheckpointError) {
        var reader = KerasWeightsReader()
        return try reader.catalogue(descriptor, offset, byteCount)
      } catch {
        var error = error
        error.file = nil
        if error.code == .malformed { error.hint = error.hint ?? Self.hint }
        throw error
      }
    }
  }
}

extension DatasetCatalogue {
  /// What libhdf5 can't read may be of a version that it doesn't know.
  fileprivate static let hint =
    "the file was damaged: get it again; or a newer HDF5 wrote it: copy it with h5repack --high=2"
}

/// Reads a catalogue, within `HDF5.exclusively`.
private struct KerasWeightsReader {
  private var catalogue = DatasetCatalogue()
  private var namesByteCount = 0
  private var chunkCount = 0
  private let attempt = HDF5Attempt(action: "read", path: "", code: .malformed)
  private static let modelLayer = "top_level_model_weights"

  mutating func catalogue(
    _ descriptor: Int32, _ offset: Int, _ byteCount: Int
  ) throws(CheckpointError) -> DatasetCatalogue {
    let access = try attempt.own(
      wb_region_access(descriptor, Int64(offset), Int64(byteCount)), H5Pclose)
    try attempt.check(H5Pset_cache(access.value, 0, 0, 0, 0))
    try attempt.check(H5Pset_fclose_degree(access.value, H5F_CLOSE_STRONG))
    let file = try attempt.own(H5Fopen("weights", wb_h5_read_only(), access.value), H5Fclose)
    let root = try attempt.own(H5Gopen2(file.value, "/", wb_h5_default()), H5Gclose)
    let attributes = HDF5TextAttributes(attempt)
    guard let layers = try attributes.list("layer_names", of: root) else {
      throw CheckpointError(
        .unsupported, "an HDF5 file that no weights of Keras are in",
        expected: "a root with the attribute layer_names",
        hint:
          "weights that Keras or transformers saved as .h5 are read; a volume of a store is read with the store: name its directory"
      )
    }
    for layer in layers { try read(layer: layer, of: root, attributes) }
    if !layers.contains(Self.modelLayer), try kind(of: Self.modelLayer, in: root) == 1 {
      try read(layer: Self.modelLayer, of: root, attributes)
    }
    try listOthers(of: root, Set(layers.map { String($0.prefix { $0 != "/" }) }))
    return catalogue
  }

  private func kind(of name: String, in group: HDF5Identifier) throws(CheckpointError) -> Int {
    Int(try attempt.check(wb_h5_link_kind(group.value, name)))
  }

  /// A layer, or a weight that is listed as one.
  private mutating func read(
    layer: String, of root: HDF5Identifier, _ attributes: HDF5TextAttributes
  ) throws(CheckpointError) {
    let object = try object(layer, in: root, weight: layer)
    if H5Iget_type(object.value) == H5I_DATASET {
      try append(object, layer)
      return
    }
    guard let weights = try attributes.list("weight_names", of: object) else {
      // The model's own group needn't have a list.
      if layer == Self.modelLayer { return }
      throw CheckpointError(
        .malformed, "a layer without a list of its weights",
        expected: "a group with the attribute weight_names", found: "'\(layer)'")
    }
    if !weights.isEmpty { catalogue.hasLayers = true }
    for weight in weights {
      let dataset = try self.object(weight, in: object, weight: weight)
      try append(dataset, weight)
    }
  }

  /// The group or dataset that a path leads to, by links to objects of this file alone.
  private func object(
    _ path: String, in group: HDF5Identifier, weight: String
  ) throws(CheckpointError) -> HDF5Identifier {
    let levels = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    var object = group
    do throws(CheckpointError) {
      for level in levels {
        guard !["", ".", ".."].contains(level), !level.utf8.contains(0) else {
          throw CheckpointError(
            .malformed, "not the path of a weight", expected: "names with / between them",
            found: "'\(path)'")
        }
        guard H5Iget_type(object.value) == H5I_GROUP else {
          throw CheckpointError(
            .malformed, "a weight's path leads through something that is no group",
            found: "'\(path)'")
        }
        switch try kind(of: level, in: object) {
        case 0:
          throw CheckpointError(
            .missing, "a weight that the file lists is not in it", found: "nothing at '\(path)'",
            hint: "the file is damaged or incomplete: get it again")
        case 1: object = try attempt.own(H5Oopen(object.value, level, wb_h5_default()), H5Oclose)
        default:
          throw CheckpointError(
            .unsupported, "a weight is a link to somewhere else, which isn't followed",
            found: "a soft or external link at '\(path)'",
            hint: "copy the file with h5repack or h5py, so that it holds the weight itself")
        }
      }
    } catch { throw error.in(tensor: weight) }
    return object
  }

  private mutating func append(
    _ object: HDF5Identifier, _ name: String
  ) throws(CheckpointError) {
    do throws(CheckpointError) {
      namesByteCount += name.utf8.count
      guard catalogue.datasets.count < DatasetCatalogue.Limit.datasetCount,
        namesByteCount <= DatasetCatalogue.Limit.namesByteCount / 2
      else {
        throw CheckpointError(
          .unsupported, "too many weights",
          expected: "at most \(DatasetCatalogue.Limit.datasetCount)")
      }
      guard H5Iget_type(object.value) == H5I_DATASET else {
        throw CheckpointError(
          .malformed, "a weight is no dataset", found: "a group or a type")
      }
      let placed = try HDF5DatasetPlace(object, attempt, chunksBefore: chunkCount)
      if case .chunked(_, _, let chunks) = placed.storage { chunkCount += chunks.count }
      catalogue.datasets.append(
        .init(
          name: name, dtype: placed.dtype, isBigEndian: placed.isBigEndian, shape: placed.shape,
          storage: placed.storage))
    } catch { throw error.in(tensor: name) }
  }

  /// What else lies in the root, such as the optimizer's state.
  private mutating func listOthers(
    of root: HDF5Identifier, _ known: Set<String>
  ) throws(CheckpointError) {
    let limit = 64
    for link in try HDF5Links(of: root.value, attempt, limit: DatasetCatalogue.Limit.datasetCount)
      .all
    {
      let name = link.text
      guard !known.contains(name), name != Self.modelLayer else { continue }
      if catalogue.unlisted.count == limit { return }
      catalogue.unlisted.append(String(name.prefix(200)))
    }
  }
}
