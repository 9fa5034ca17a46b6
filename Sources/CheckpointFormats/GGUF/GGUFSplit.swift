public import FileContainers
import TensorModel

/// The keys that tie the parts of a split set together.
public enum GGUFSplit {
  /// The part's number, from 0.
  static let number = "split.no"
  /// How many parts there are.
  static let count = "split.count"
  /// Tensors of all parts.
  static let tensorCount = "split.tensors.count"
  /// What `split.count` can say.
  public static let maximumPartCount = Int(UInt16.max)
  /// What a file is called that is alone in a directory.
  public static let standardName = "model.gguf"

  /// What a part says of itself; nothing for a file that is complete.
  ///
  /// - Parameters:
  ///   - part: from 0.
  ///   - partCount: of the set.
  ///   - tensorCount: of all parts.
  /// - Returns: the entries.
  public static func entries(
    _ part: Int, of partCount: Int, tensorCount: Int
  ) -> [(key: String, value: GGUFValue)] {
    guard partCount > 1 else { return [] }
    return [
      (number, .unsigned(UInt64(part), .uint16)), (count, .unsigned(UInt64(partCount), .uint16)),
      (self.tensorCount, .signed(Int64(tensorCount), .int32)),
    ]
  }

  /// The name of a part.
  ///
  /// - Parameters:
  ///   - part: from 0.
  ///   - partCount: of the set.
  ///   - file: what was cut, `NAME.gguf`; nil for the parts of a directory, of which one alone is `standardName`.
  /// - Returns: `NAME-00001-of-00003.gguf`.
  public static func fileName(
    _ part: Int, of partCount: Int, cutFrom file: String?
  ) -> String {
    guard file != nil || partCount > 1 else { return standardName }
    let numbers = [part + 1, partCount].map { number in
      String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number)
    }
    return "\(stem(file ?? standardName))-\(numbers[0])-of-\(numbers[1]).gguf"
  }

  /// How many parts the set has that a name is of, if it is one that a file was cut into.
  ///
  /// - Parameters:
  ///   - name: of any file.
  ///   - file: what was cut.
  /// - Returns: nil for names of other files.
  public static func partCount(of name: String, cutFrom file: String) -> Int? {
    guard let part = GGUFSplitName(name), ExactName(part.stem) == ExactName(stem(file)) else {
      return nil
    }
    return part.count
  }

  /// What a part was cut from, `NAME.gguf`; nil for names of other files.
  public static func wholeName(ofPart name: String) -> String? {
    GGUFSplitName(name).map { "\($0.stem).gguf" }
  }

  /// Whether a name says that a file is one of several.
  public static func isOfSeveral(_ name: String) -> Bool {
    GGUFSplitName(name).map { $0.count > 1 } ?? false
  }

  private static func stem(_ file: String) -> String { String(file.dropLast(".gguf".count)) }

  /// Checks that files are all parts of one set, in order, or one file that is complete.
  ///
  /// - Throws: `missing` if parts are, `malformed` where they disagree.
  static func check(
    _ headers: [GGUFHeader], _ names: [String], tensorCount: Int
  ) throws(CheckpointError) {
    for (index, header) in headers.enumerated() {
      let count = header[Self.count]?.integer ?? 1
      guard count == headers.count else {
        throw CheckpointError(
          .missing, "a part of a split set, of which others are missing", file: names[index],
          expected: "\(count) parts", found: "\(headers.count)",
          hint: "all parts have to lie beside each other, under their names")
      }
      guard header[Self.number]?.integer ?? 0 == index else {
        throw CheckpointError(
          .malformed, "a part of a split set with another number than its name says",
          file: names[index], expected: "\(index)", found: "\(header[Self.number]?.integer ?? 0)")
      }
    }
    guard let total = headers.first?[Self.tensorCount]?.integer, total != tensorCount else {
      return
    }
    throw CheckpointError(
      .malformed, "a split set with another number of tensors than it says", file: names.first,
      expected: "\(total)", found: "\(tensorCount)")
  }
}
