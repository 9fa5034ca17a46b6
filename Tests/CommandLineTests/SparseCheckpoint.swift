import Foundation
import TestSupport

extension Workspace {
  /// A checkpoint of zeros that take no room on the disk: 16 tensors of F32.
  func sparseCheckpoint(_ byteCount: Int) throws -> String {
    let size = byteCount / 16
    var entries: [String] = []
    for index in 0..<16 {
      entries.append(
        """
        "layer.\(index).weight":{"dtype":"F32","shape":[\(size / 4096),1024],\
        "data_offsets":[\(index * size),\((index + 1) * size)]}
        """)
    }
    let header = Data("{\(entries.joined(separator: ","))}".utf8)
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
    let path = try write("in.safetensors", length + header)
    let file = try FileHandle(forUpdating: URL(filePath: path))
    try file.truncate(atOffset: UInt64(8 + header.count + 16 * size))
    return path
  }
}
