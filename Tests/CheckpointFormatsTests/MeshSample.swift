import Foundation
import ModelArchitectures
import TensorModel
import TestSupport
import Testing

/// A tiny Mesh-Transformer checkpoint whose leaves are made up, to be written with defects.
struct MeshSample {
  let dimensions: Architecture.Dimensions
  let shardCount: Int
  /// Each shard's step.
  var steps: [Int32]
  /// Leaves by shard and place, as row-major little-endian F32.
  var leaves: [[(shape: [Int], values: [Float])]]

  let names: [String]

  init(layers: Int = 1, model: Int = 4, vocabulary: Int = 6, shards: Int = 2) throws {
    dimensions = Architecture.Dimensions(
      layers: layers, model: model, inner: 4 * model, vocabulary: vocabulary)
    shardCount = shards
    steps = Array(repeating: 5, count: shards)
    let table = try #require(Architecture.gptj.mesh).leaves(layers: layers)
    names = table.map(\.name)
    leaves = []
    for shard in 0..<shards {
      var random = FixedRandom(seed: UInt64(shard))
      leaves.append([])
      for (name, leaf, _) in table {
        let shape = try #require(leaf.shardShape(dimensions, shards: shards))
        let isUntouched = shard > 0 && leaf.partition == .firstShard
        let values = (0..<shape.elementCount).map { _ -> Float in
          isUntouched ? (name.hasSuffix("scale") ? 1 : 0) : Float.random(in: -1...1, using: &random)
        }
        leaves[shard].append((shape.dimensions, values))
      }
    }
  }

  /// How elements lie in a file.
  enum Order: CaseIterable { case little, big, fortran }

  /// Files below the step's folder.
  func files(_ order: Order = .little) -> [(name: String, contents: [UInt8])] {
    var files: [(name: String, contents: [UInt8])] = []
    for shard in 0..<shardCount {
      var arrays = leaves[shard].map { leaf in
        let (shape, values) = leaf
        switch order {
        case .little: return npyFile("<f4", shape, values.flatMap(\.bitPattern.littleEndianBytes))
        case .big:
          return npyFile(
            ">f4", shape, values.flatMap { $0.bitPattern.littleEndianBytes.reversed() })
        case .fortran:
          let (rows, columns) = (shape[0], shape.count > 1 ? shape[1] : 1)
          let turned = (0..<columns).flatMap { column in
            (0..<rows).map { values[$0 * columns + column] }
          }
          return npyFile(
            "<f4", shape, turned.flatMap(\.bitPattern.littleEndianBytes), isFortranOrder: true)
        }
      }
      arrays.append(npyFile("<i4", [], steps[shard].littleEndianBytes))
      for piece in 0..<16 {
        let (start, end) = (piece * arrays.count / 16, (piece + 1) * arrays.count / 16)
        files.append(("shard_\(shard)/\(piece).npz", npzFile(Array(arrays[start..<end]))))
      }
    }
    return files
  }

  /// Writes the files below a folder, and returns that folder's path.
  @discardableResult
  func write(
    _ workspace: Workspace, _ folder: String = "step_5", _ order: Order = .little
  ) throws -> String {
    for (name, contents) in files(order) {
      try workspace.write("\(folder)/\(name)", Data(contents))
    }
    return workspace.path(folder)
  }

  /// Changes one value of a leaf in one shard.
  mutating func change(_ name: String, shard: Int) throws {
    let place = try #require(names.firstIndex(of: name))
    leaves[shard][place].values[1] += 0.5
  }

  var configuration: [UInt8] {
    Array(
      """
      {"layers": \(dimensions.layers), "d_model": \(dimensions.model), "n_heads": 2, \
      "n_vocab": \(dimensions.vocabulary), "norm": "layernorm", "pe": "rotary", \
      "pe_rotary_dims": 2, "seq": 16}
      """.utf8)
  }
}
