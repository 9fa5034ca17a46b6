/// The catalogue of a checkpoint: what is in it and where, read from headers alone.
public struct Checkpoint: Sendable {
  /// The format's name, as `--to` spells it.
  public var format: String
  /// What a person would say of its layout, such as `2 shards with an index`.
  public var layout: String
  /// The stored tensors in the order of the source.
  public let tensors: [TensorInfo]
  /// The files that hold tensors or describe where they lie, with sizes.
  public var files: [SourceFile]
  /// Metadata that the container carries, such as safetensors' `__metadata__`.
  public var metadata: [ExactName: String]
  /// The text of the model's configuration (`config.json` or the Mesh one), if there is any.
  public var configuration: [UInt8]?
  /// Why the configuration that is there can't be read; nil as a rule.
  public var configurationError: CheckpointError?
  /// How many steps the model was trained, where the format says it.
  public var trainingStep: Int?
  /// What tokens see, where the format says it.
  public var attention: AttentionMode?
  /// Files that a conversion carries along.
  public var assets: [Asset]
  /// Files beside the weights that go along under other names, by those that they have.
  public var sidecarNames: [String: String] = [:]
  /// Files beside the weights that a conversion doesn't carry.
  public var leftOut: [String]
  /// Whether the format knows its own configuration and assets, so that nothing else is looked for beside the weights.
  public var carriesSidecars = false
  /// What opening it brought up.
  public var findings: [Finding]
  private let positions: Positions

  /// A file of the source.
  public struct SourceFile: Hashable, Sendable {
    /// The name, relative to the checkpoint.
    public let name: String
    /// The size, nil for standard input.
    public let byteCount: Int?

    /// A file.
    public init(name: String, byteCount: Int?) {
      self.name = name
      self.byteCount = byteCount
    }
  }

  /// A sidecar file: tokenizer, licence, generation settings.
  public struct Asset: Sendable {
    /// The name in the destination.
    public let name: String
    /// Its size.
    public let byteCount: Int
    /// Reads bytes of it, verbatim, so many from a position.
    public let read: @Sendable (_ offset: Int, _ count: Int) throws(CheckpointError) -> [UInt8]

    /// What may be read as a whole; tokenizers reach 35 MB.
    public static let maximumByteCount = 512 << 20

    /// Names of the files that make a tokenizer; any of the first three is a vocabulary.
    public static let tokenizerNames = [
      "tokenizer.json", "vocab.json", "tokenizer.model", "merges.txt", "added_tokens.json",
      "special_tokens_map.json", "tokenizer_config.json",
    ]

    /// A sidecar file that is read in pieces.
    public init(
      name: String, byteCount: Int,
      read: @escaping @Sendable (Int, Int) throws(CheckpointError) -> [UInt8]
    ) {
      self.name = name
      self.byteCount = byteCount
      self.read = read
    }

    /// A small sidecar file.
    public init(
      name: String, byteCount: Int,
      contents: @escaping @Sendable () throws(CheckpointError) -> [UInt8]
    ) {
      self.init(name: name, byteCount: byteCount) { (offset, count) throws(CheckpointError) in
        let bytes = try contents()
        return offset == 0 && count == bytes.count
          ? bytes : Array(bytes.dropFirst(offset).prefix(count))
      }
    }

    /// All of it, verbatim.
    ///
    /// - Throws: `unsupported` for files that are too large to be read as a whole, and what reading throws.
    public func contents() throws(CheckpointError) -> [UInt8] {
      guard byteCount <= Self.maximumByteCount else {
        throw CheckpointError(
          .unsupported, "too large to be read as a whole", file: name,
          expected: "at most \(Self.maximumByteCount) bytes", found: "\(byteCount)")
      }
      return try read(0, byteCount)
    }
  }

  /// A catalogue without sidecar files; readers fill in the rest.
  ///
  /// - Parameters:
  ///   - format: as `--to` spells it.
  ///   - layout: in words.
  ///   - tensors: in the order of the source.
  ///   - files: all that were read.
  ///   - metadata: the container's.
  ///   - namesDiffer: whether the container has seen to it that no two tensors have the same name.
  /// - Throws: `malformed` if two tensors have the same name.
  public init(
    format: String, layout: String, tensors: [TensorInfo], files: [SourceFile],
    metadata: [ExactName: String] = [:], namesDiffer: Bool = false
  ) throws(CheckpointError) {
    self.format = format
    self.layout = layout
    self.tensors = tensors
    self.files = files
    self.metadata = metadata
    assets = []
    leftOut = []
    findings = []
    positions = Positions()
    if !namesDiffer { try positions.find(in: tensors) }
  }

  /// Where in `tensors` the one of that name stands.
  public func position(of name: String) -> Int? { positions.position(of: name, in: tensors) }

  /// The type of a stored tensor.
  public func type(of name: String) -> TensorType? {
    position(of: name).map { TensorType(tensors[$0].dtype, tensors[$0].shape) }
  }

  /// The type of what an expression computes from the stored tensors.
  ///
  /// - Throws: `malformed` where the expression doesn't fit them.
  public func type(of expression: TensorExpression) throws(CheckpointError) -> TensorType {
    // For each of a million tensors: a closure isn't given all of the checkpoint, whose copies take longer than all the rest.
    let (tensors, positions) = (tensors, positions)
    return try expression.type { name in
      positions.position(of: name, in: tensors).map {
        TensorType(tensors[$0].dtype, tensors[$0].shape)
      }
    }
  }

  /// Bytes of all stored tensors.
  public var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }
}

/// A tensor of the model under its canonical name, as an expression over stored ones.
public struct CanonicalTensor: Hashable, Sendable {
  /// Hugging Face's parameter name for families that are known, the source's own otherwise.
  public let name: String
  /// Its extents.
  public let shape: Shape
  /// The dtype that `--dtype keep` gives it: that of the stored weights.
  public let dtype: DType
  /// Its exact value; of dtype F32 where something is summed.
  public let expression: TensorExpression

  /// Its value in a dtype: cast, if the exact one is in another.
  ///
  /// - Parameters:
  ///   - dtype: the wanted one.
  ///   - checkpoint: that it is computed from.
  /// - Returns: the expression.
  /// - Throws: `malformed` where the expression doesn't fit the checkpoint or the tensor's shape, or dtypes can't be cast.
  public func expression(
    as dtype: DType, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> TensorExpression {
    do throws(CheckpointError) {
      let exact = try checkpoint.type(of: expression)
      guard exact.shape == shape else {
        throw CheckpointError(
          .malformed, "wrong shape", expected: "\(shape)", found: "\(exact.shape)")
      }
      return exact.dtype == dtype ? expression : .cast(expression, dtype)
    } catch { throw error.in(tensor: name) }
  }

  /// Its bytes in that dtype.
  public var byteCount: Int { dtype.byteCount(elementCount: shape.elementCount) ?? 0 }

  /// A canonical tensor.
  public init(name: String, shape: Shape, dtype: DType, expression: TensorExpression) {
    self.name = name
    self.shape = shape
    self.dtype = dtype
    self.expression = expression
  }
}
