public import TensorModel

/// What people find where a file should be, told from its first bytes.
public enum StandIn {
  /// The error for a file that surely isn't what its name says: nothing, a Git LFS pointer, a web page.
  public static func error(head: [UInt8]) -> CheckpointError? {
    if head.isEmpty {
      return CheckpointError(
        .malformed, "the file is empty", hint: "the download may have failed: get the file again")
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
}
