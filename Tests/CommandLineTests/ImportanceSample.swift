import Foundation
import TestSupport

/// An importance matrix in llama.cpp's older form: an entry for one tensor of 64 columns.
enum ImportanceSample {
  /// Writes it.
  ///
  /// - Parameters:
  ///   - workspace: where to.
  ///   - file: the file's name.
  ///   - name: the tensor's.
  ///   - factor: of all importances; 0 for a matrix that says nothing.
  /// - Returns: the file's path.
  /// - Throws: what writing throws.
  static func write(
    _ workspace: Workspace, _ file: String, for name: String = "blk.0.attn_q.weight",
    factor: Int = 1
  ) throws -> String {
    var matrix = Data()
    func append(_ number: Int32) { withUnsafeBytes(of: number.littleEndian) { matrix += $0 } }
    append(1)
    append(Int32(name.utf8.count))
    matrix += Data(name.utf8)
    append(1)
    append(64)
    for column in 0..<64 {
      let value = Float(column % 7 * column * factor)
      withUnsafeBytes(of: value.bitPattern.littleEndian) { matrix += $0 }
    }
    append(1)
    append(4)
    matrix += Data("text".utf8)
    return try workspace.write(file, matrix)
  }
}
