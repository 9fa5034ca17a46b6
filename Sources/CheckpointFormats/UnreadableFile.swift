import TensorModel

/// What people mistake for weights, told from its first bytes; what stands where a file should be is told by `StandIn`.
enum UnreadableFile {
  /// The error for a file that nothing recognises.
  static func unrecognised(head: [UInt8]) -> CheckpointError {
    let known: [([UInt8], String, String?)] = [
      (
        [0x80], "a bare Python pickle, not a file that torch.save has written",
        "nothing of it was run. If you trust it, load it in Python and save its tensors with torch.save"
      ),
      ([0x1f, 0x8b], "gzip-compressed", "unpack it with gunzip first"),
      ([0xfd, 0x37, 0x7a, 0x58, 0x5a], "xz-compressed", "unpack it with unxz first"),
      ([0x42, 0x5a, 0x68], "bzip2-compressed", "unpack it with bunzip2 first"),
      ([0x89, 0x48, 0x44, 0x46], "an HDF5 file that was damaged at its beginning", nil),
    ]
    for (magic, kind, hint) in known where head.starts(with: magic) {
      return CheckpointError(.unsupported, kind, byteOffset: 0, hint: hint)
    }
    let bytes = head.prefix(8).map { byte in
      byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16)
    }
    return CheckpointError(
      .unsupported, "not a format that is read here", byteOffset: 0,
      found: "a file that begins with \(bytes.joined(separator: " "))",
      hint:
        "formats that are read: \(Formats.all.map { $0.name }.joined(separator: ", ")), and tar or tar.zst archives of them"
    )
  }
}
