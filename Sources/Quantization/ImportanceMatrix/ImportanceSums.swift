// The numbers of an importance matrix as they are summed up: GGUF files of llama.cpp have them so, means are made of them by whoever quantizes.

public import FileContainers
public import TensorModel

/// Sums of squares of what columns of weights were multiplied with, and of how many tokens: they can be added to those of other texts.
public struct ImportanceSums: Sendable {
  /// By the weights' names in a GGUF file of the model.
  public var entries: [ExactName: Entry] = [:]
  /// The texts that were read.
  public var datasets: [String] = []
  /// How many chunks of text were read.
  public var chunkCount = 0
  /// Tokens of a chunk.
  public var chunkSize = 0

  /// The sums of one weight.
  public struct Entry: Sendable, Hashable {
    /// The sums, `[experts, columns]`, row-major.
    ///
    /// Of one expert where the weight isn't of experts; finite and not negative.
    public var sums: [Double]
    /// Of each expert the tokens that it got.
    public var counts: [Double]

    /// Sums and their counts.
    ///
    /// - Parameters:
    ///   - sums: `[experts, columns]`.
    ///   - counts: `[experts]`, at least one.
    public init(sums: [Double], counts: [Double]) {
      precondition(!counts.isEmpty && sums.count.isMultiple(of: counts.count))
      self.sums = sums
      self.counts = counts
    }

    /// How many columns the weight has.
    public var columnCount: Int { sums.count / counts.count }
  }

  /// The keys of such files (llama.cpp, tools/imatrix/imatrix.cpp).
  public enum Key {
    /// Says that the file is an importance matrix.
    public static let type = "general.type"
    /// What it says.
    public static let typeValue = "imatrix"
    /// The texts.
    public static let datasets = "imatrix.datasets"
    /// How many chunks.
    public static let chunkCount = "imatrix.chunk_count"
    /// Tokens of a chunk.
    public static let chunkSize = "imatrix.chunk_size"
  }

  /// What tensors' names end in after the weight's.
  public struct Suffixes: Sendable, Hashable {
    /// Of sums.
    public let sums: String
    /// Of counts.
    public let counts: String

    /// What quantizers read.
    public static let standard = Suffixes(sums: ".in_sum2", counts: ".counts")
    /// What was really met, where `standard` has a prior added for experts that few tokens came to; other programs ignore it.
    public static let met = Suffixes(sums: ".met_sum2", counts: ".met_counts")
  }

  /// Nothing yet.
  public init() {}

  /// The sums in a GGUF file, without priors.
  ///
  /// - Parameters:
  ///   - path: of the file.
  ///   - inputs: takes it in.
  /// - Throws: `unsupported` for other files, also the older form, which has no sums; `malformed`, `missing`, `inputOutput`.
  public init(path: String, recordedIn inputs: ReadFiles?) throws(CheckpointError) {
    do throws(CheckpointError) {
      let file = try PinnedFiles(recordedIn: inputs).open(path)
      guard file.byteCount <= ImportanceMatrix.maximumByteCount,
        try file.region.head(GGUFHeader.magic.count) == GGUFHeader.magic
      else {
        throw CheckpointError(
          .unsupported, "not an importance matrix in GGUF",
          expected: "a GGUF file of at most \(ImportanceMatrix.maximumByteCount) bytes",
          hint: "the older form has means instead of sums: make the matrix again")
      }
      let header = try GGUFHeader(file.region)
      self = try GGUFImportances.sums(file.region, header)
    } catch { throw error.in(file: path) }
  }

  /// Adds the sums of other texts of the same model.
  ///
  /// - Parameter other: may lack weights.
  /// - Throws: `usage` where it is of another model.
  public mutating func add(_ other: ImportanceSums) throws(CheckpointError) {
    for (name, entry) in other.entries.sorted(by: { $0.key < $1.key }) {
      guard var own = entries[name] else {
        throw CheckpointError(
          .usage, "sums of a weight that this model doesn't have", tensor: name.text,
          hint: "merge importance matrices of the same model only")
      }
      guard own.counts.count == entry.counts.count, own.sums.count == entry.sums.count else {
        throw CheckpointError(
          .usage, "sums of another number of columns or experts", tensor: name.text,
          expected: "[\(own.counts.count),\(own.columnCount)]",
          found: "[\(entry.counts.count),\(entry.columnCount)]",
          hint: "merge importance matrices of the same model only")
      }
      for index in own.sums.indices { own.sums[index] += entry.sums[index] }
      for index in own.counts.indices { own.counts[index] += entry.counts[index] }
      entries[name] = own
    }
    chunkCount += other.chunkCount
    datasets = other.datasets + datasets.filter { !other.datasets.contains($0) }
  }

  /// Weights whose sums are no numbers; there are none where the model computes numbers.
  public var unusableNames: [ExactName] {
    entries.filter { !$0.value.sums.allSatisfy { $0.isFinite && $0 >= 0 } }.keys.sorted()
  }
}
