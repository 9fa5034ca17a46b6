import FileContainers
import ModelArchitectures
import TensorModel

/// What the tensors of all ranks make, by the table of the training code.
struct NeoXMerging {
  /// A tensor of the model, and what ranks have of it.
  struct Merged {
    /// Its name in Hugging Face's form.
    let name: String
    let shape: Shape
    let dtype: DType
    /// The stored tensors, rank after rank.
    let parts: [String]
    let cut: NeoXTable.Cut
    let module: NeoXTable.Module
  }

  /// The stored tensors, module by module and rank by rank.
  private(set) var stored: [StoredTorchTensor] = []
  /// The model's tensors in the order of the files.
  private(set) var merged: [Merged] = []

  private var owners: [String: String] = [:]
  private var infos: [String: TensorInfo] = [:]

  /// Applies the table to every module.
  ///
  /// - Throws: `unsupported` for a tensor that no rule covers; `malformed`, with module and rank, where ranks don't agree.
  init(_ states: NeoXStates) throws(CheckpointError) {
    for module in states.modules {
      guard let ranks = states.pieces[module], let first = ranks.first else { continue }
      var known: Set<String> = []
      for (rank, pieces) in ranks.enumerated() {
        try Self.requireSameNames(first, pieces, module, rank)
        for piece in pieces { try add(piece, module, rank, states.layerCount) }
      }
      for piece in first {
        let row = try Self.row(of: piece, module)
        let parts = (0..<ranks.count).map {
          Self.storedName(piece.name, module, $0, states.layerCount)
        }
        // What follows from the configuration is compared with it as buffers are, and left out.
        guard let target = module.target(of: row) else { continue }
        guard known.insert(target).inserted else {
          throw CheckpointError(
            .malformed, "two tensors of \(module.title) are the same of the model",
            file: piece.fileName, tensor: piece.name, found: target,
            hint: "the module has the names of two versions of the training code")
        }
        merged.append(try merge(row, target, parts, module))
      }
    }
  }

  /// What the catalogue calls a tensor of a module and rank.
  private static func storedName(
    _ name: String, _ module: NeoXTable.Module, _ rank: Int, _ layers: Int
  ) -> String { "rank_\(rank)/module_\(module.number(layers: layers))/\(name)" }

  private mutating func add(
    _ piece: NeoXStates.Piece, _ module: NeoXTable.Module, _ rank: Int, _ layers: Int
  ) throws(CheckpointError) {
    let name = Self.storedName(piece.name, module, rank, layers)
    let place = "\(piece.fileName)/\(piece.tensor.storage.key)"
    let tensor = try StoredTorchTensor(
      piece.tensor, of: piece.file, piece.fileName, named: name, sharing: owners[place])
    stored.append(tensor)
    infos[name] = tensor.info
    owners[place] = owners[place] ?? name
  }

  private static func row(
    of piece: NeoXStates.Piece, _ module: NeoXTable.Module
  ) throws(CheckpointError) -> NeoXTable.Row {
    guard let row = module.rows.first(where: { $0.names.contains(piece.name) }) else {
      throw CheckpointError(
        .unsupported, "there is no rule for merging this tensor of \(module.title)",
        file: piece.fileName, tensor: piece.name,
        expected: module.rows.map(\.names[0]).joined(separator: ", "), found: piece.name,
        hint: "only models are read that Hugging Face's GPT-NeoX computes")
    }
    return row
  }

  private static func requireSameNames(
    _ first: [NeoXStates.Piece], _ other: [NeoXStates.Piece], _ module: NeoXTable.Module,
    _ rank: Int
  ) throws(CheckpointError) {
    let (expected, found) = (
      Set(first.map { ExactName($0.name) }), Set(other.map { ExactName($0.name) })
    )
    guard expected != found else { return }
    let missing = expected.subtracting(found).min()
    let name = missing ?? found.subtracting(expected).min()
    throw CheckpointError(
      .malformed,
      missing == nil
        ? "rank \(rank) of \(module.title) has a tensor that rank 0 lacks"
        : "rank \(rank) of \(module.title) lacks a tensor that rank 0 has",
      file: other.first?.fileName ?? first.first?.fileName, tensor: name?.text,
      hint: "the files are of different trainings: get the step's files again")
  }

  private func merge(
    _ row: NeoXTable.Row, _ target: String, _ parts: [String], _ module: NeoXTable.Module
  ) throws(CheckpointError) -> Merged {
    guard let first = infos[parts[0]] else {
      throw CheckpointError(.missing, "no such tensor", tensor: parts[0])
    }
    for (rank, part) in parts.enumerated() {
      guard let info = infos[part] else { continue }
      guard info.dtype == first.dtype, info.shape == first.shape, info.dtype.isCastable else {
        throw CheckpointError(
          .malformed, "rank \(rank) of \(module.title) has another shape or dtype than rank 0",
          file: info.file, tensor: row.names[0],
          expected: "a float tensor, \(first.dtype.rawValue) \(first.shape)",
          found: "\(info.dtype.rawValue) \(info.shape)",
          hint: "the files are of different trainings: get the step's files again")
      }
    }
    var extents = first.shape.dimensions
    if case .axis(let axis) = row.cut {
      guard axis < extents.count else {
        throw CheckpointError(
          .malformed, "a tensor of \(module.title) with too few dimensions", file: first.file,
          tensor: row.names[0], expected: "at least \(axis + 1)", found: "\(first.shape)")
      }
      let (extent, overflow) = extents[axis].multipliedReportingOverflow(by: parts.count)
      guard !overflow else {
        throw CheckpointError(
          .malformed, "an impossible shape", file: first.file, tensor: row.names[0],
          found: "\(first.shape)")
      }
      extents[axis] = extent
    }
    return Merged(
      name: target, shape: try Shape(checking: extents), dtype: first.dtype, parts: parts,
      cut: row.cut, module: module)
  }
}
