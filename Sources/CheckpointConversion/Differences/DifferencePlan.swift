import CheckpointFormats
import FileContainers
import StoreWriting
import TensorEvaluation
import TensorModel

/// Which tensors of a fork are its base's, which are differences to these, and which are stored by themselves.
struct DifferencePlan {
  /// The base, as the manifest names it.
  let base: StoreManifest.Base
  /// For each output what it is.
  let tensors: [Relation]

  /// What a tensor of the fork is to the base.
  enum Relation: Hashable {
    /// Nothing that would make it smaller.
    case plain
    /// A tensor that the base has, bit for bit.
    case same(StoreManifest.BaseTensor)
    /// A tensor that differs from the base's.
    case difference(StoreManifest.BaseTensor)

    /// The base's tensor.
    var base: StoreManifest.BaseTensor? {
      switch self {
      case .plain: nil
      case .same(let tensor), .difference(let tensor): tensor
      }
    }
  }

  /// Reads all of the base, and of the fork what it takes to tell.
  ///
  /// - Parameters:
  ///   - outputs: the fork's tensors, as they are going to be stored.
  ///   - planner: of the fork.
  ///   - checkpoint: the base.
  /// - Throws: what reading throws; `corrupt` where the base isn't what it says of itself.
  init(
    _ outputs: [Planner.Output], _ planner: Planner, _ checkpoint: BaseCheckpoint
  ) throws(CheckpointError) {
    let digests = try BaseDigests(checkpoint, planner.resources)
    base = StoreManifest.Base(
      root: digests.root, hint: planner.settings.baseHint ?? checkpoint.hint)
    let same = try SameTensors(outputs, planner, checkpoint, digests).positions
    let sizes = try DifferenceSizes(outputs, planner, checkpoint)
    var candidates: [Int?] = []
    for (place, output) in outputs.enumerated() {
      guard same[place] == nil, let position = checkpoint.position(of: output) else {
        candidates.append(nil)
        continue
      }
      candidates.append(position)
    }
    // Compressing takes other buffers than hashing did.
    PageArena.shared.releaseIdle()
    let smaller = try sizes.areSmaller(candidates)
    tensors = outputs.indices.map { place in
      if let position = same[place] { return .same(digests.tensor(position)) }
      if let position = candidates[place], smaller[place] {
        return .difference(digests.tensor(position))
      }
      return .plain
    }
  }

  /// How an output is stored.
  func encoding(
    of place: Int, _ output: Planner.Output, otherwise plain: StoreManifest.Encoding
  ) -> StoreManifest.Encoding {
    switch tensors[place] {
    case .plain: plain
    case .same: .base
    case .difference: StoreEncoding.encoding(of: output.type, isCompressed: true)
    }
  }
}

extension BaseCheckpoint {
  /// The tensor that an output can be a difference to.
  fileprivate func position(of output: Planner.Output) -> Int? {
    guard let position = checkpoint.position(of: output.name) else { return nil }
    let info = checkpoint.tensors[position]
    return output.type.differs(from: TensorType(info.dtype, info.shape)) ? position : nil
  }
}
