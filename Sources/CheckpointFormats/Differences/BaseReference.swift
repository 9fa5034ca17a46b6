public import FileContainers
public import TensorModel

extension StoreManifest {
  /// The checkpoint that a store is a difference to.
  public struct Base: Hashable, Sendable {
    /// The root of all of its tensors.
    public let root: Digest
    /// What it is called, for people.
    public let hint: String

    /// The longest hint, in bytes.
    public static let maximumHintByteCount = 4096

    /// A base.
    public init(root: Digest, hint: String) {
      self.root = root
      self.hint = hint
    }
  }

  /// The tensor of the base that a tensor is the same as, or a difference to.
  public struct BaseTensor: Hashable, Sendable {
    /// Its name in the base.
    public let name: String
    /// Its dtype there.
    public let dtype: DType
    /// SHA-256 of its bytes there.
    public let digest: Digest

    /// A tensor of the base.
    public init(name: String, dtype: DType, digest: Digest) {
      self.name = name
      self.dtype = dtype
      self.digest = digest
    }
  }
}

/// What a checkpoint needs of its base.
public struct BaseNeed: Sendable {
  /// The base as a whole; nil where only the tensors are known.
  public let root: Digest?
  /// What it is called.
  public let hint: String
  /// The tensors that are needed, in the checkpoint's order.
  public let tensors: [Tensor]

  /// A tensor that is needed.
  public struct Tensor: Sendable {
    /// The place of the tensor that needs it.
    public let position: Int
    /// The name of that one.
    public let name: String
    /// The type of that one.
    public let type: TensorType
    /// What is needed.
    public let base: StoreManifest.BaseTensor
    /// Whether it is the same tensor.
    public let isSame: Bool
  }

  /// Whether nothing is needed: all of a store's tensors are stored by themselves.
  ///
  /// Of an update only the base itself tells what is needed.
  public let isComplete: Bool

  /// The root, as messages show it.
  public var rootText: String { root.map { "root \($0)" } ?? "any root" }
}

extension BaseNeed {
  /// What an update needs, of whose tensors only the base tells more.
  init(ofUpdateTo root: Digest?, hint: String) {
    self.root = root
    self.hint = hint
    tensors = []
    isComplete = false
  }

  /// What a store needs; nil for one that is complete by itself.
  init?(_ manifest: StoreManifest) {
    guard let base = manifest.base else { return nil }
    root = base.root
    hint = base.hint
    tensors = manifest.tensors.enumerated().compactMap { position, tensor in
      tensor.base.map {
        Tensor(
          position: position, name: tensor.name, type: tensor.type, base: $0,
          isSame: tensor.encoding == .base)
      }
    }
    isComplete = tensors.isEmpty
  }
}
