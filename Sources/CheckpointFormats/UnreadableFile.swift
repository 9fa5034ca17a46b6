import TensorModel

/// What people mistake for weights, told from its first bytes.
enum UnreadableFile {
  /// The error for a file that surely is no checkpoint, or of a format that isn't read.
  static func error(head: [UInt8]) -> CheckpointError? {
    if head.isEmpty {
      return CheckpointError(.malformed, "the file is empty", hint: "the download may have failed")
    }
    let text = String(decoding: head.prefix(64), as: UTF8.self)
    if text.hasPrefix("version https://git-lfs.github.com/spec/") {
      return CheckpointError(
        .malformed, "a Git LFS pointer stands here instead of the file",
        hint: "fetch the real one with `git lfs pull`")
    }
    let lower = text.lowercased()
    if lower.hasPrefix("<!doctype html") || lower.hasPrefix("<html") || lower.hasPrefix("<?xml") {
      return CheckpointError(
        .malformed, "a web page was saved instead of the file",
        hint: "the download met an error or a login page; download it again")
    }
    return nil
  }

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
      (
        [0x89, 0x48, 0x44, 0x46], "an HDF5 file, which is not read on its own",
        "a volume of a store is read with the store: name its directory"
      ),
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
