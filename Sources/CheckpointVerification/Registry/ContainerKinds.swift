import TensorModel

extension FindingKinds {
  /// What archives and files of several formats have beside the tensors.
  static let containers: [FindingKind] = [
    FindingKind(
      "archive-name-collision", "structure", .warning,
      "Two paths in the archive differ only in letter case or form",
      """
      Two members have paths that many file systems can't tell apart, so that one replaces the \
      other when the archive is unpacked there. They are read apart here. Rename one of them \
      and pack the archive again.
      """),
    FindingKind(
      "archive-no-end", "structure", .note,
      "The archive has no proper end",
      """
      A tar archive ends with two empty blocks, and this one has fewer. All members that are \
      there are complete, but some may be missing after them. Compare the archive's size or \
      digest with the original's.
      """),
    FindingKind(
      "archive-trailing-data", "structure", .warning,
      "Data follow the end of the archive",
      """
      The archive is over, and more bytes that aren't zero come after it. They are ignored. \
      Something was appended to the file, or a program wrote it wrongly; find out what it is \
      before you trust the archive.
      """),
    FindingKind(
      "npz-directory", "structure", .warning,
      "The npz file has a directory entry",
      """
      numpy writes only arrays into an npz file, and this one also has an entry for a \
      directory. It is ignored. Another program packed the file; the arrays are read as usual.
      """),
    FindingKind(
      "npz-foreign-member", "structure", .warning,
      "The npz file has a member that is no array",
      """
      A member's name doesn't end with .npy, so it is left out and no conversion carries it. \
      Somebody added a file to the archive. Unpack it yourself if you need it.
      """),
    FindingKind(
      "npz-empty", "structure", .warning,
      "The npz file has no arrays",
      """
      The archive can be read, but there is no array in it. The program that wrote it was \
      stopped, or it had nothing to save. Write the file again if it should hold weights.
      """),
    FindingKind(
      "gguf-empty", "structure", .warning,
      "The GGUF file has neither metadata nor tensors",
      """
      The file has a valid header that counts nothing. A program made it as a placeholder, or \
      stopped before it wrote anything. Make the file again from the model.
      """),
    FindingKind(
      "gguf-trailing-bytes", "structure", .warning,
      "Bytes follow the last tensor of the GGUF file",
      """
      The file is longer than its tensors and their padding. Readers ignore the rest. \
      Something was appended, or the header counts too few tensors; get the file again if you \
      can't tell why.
      """),
    FindingKind(
      "gguf-shape", "structure", .warning,
      "A tensor has a shape that llama.cpp doesn't write",
      """
      The tensor has no dimensions or no elements. The format allows it, but llama.cpp never \
      makes such tensors and may refuse the file. Make the file again with a current \
      converter.
      """),
    FindingKind(
      "torch-foreign-member", "structure", .warning,
      "The PyTorch file has a member that torch.save doesn't write",
      """
      The zip archive of the file has a member that belongs to no state dict. It is ignored \
      and never run. Somebody added it after the file was saved, so find out who before you \
      load the file elsewhere.
      """),
    FindingKind(
      "unused-storages", "structure", .warning,
      "The PyTorch file has data that no tensor uses",
      """
      Some storages in the file belong to none of its tensors. They make the file larger, and \
      nothing reads them. Objects that were saved along and aren't read here can be the cause; \
      save only the state dict to get rid of them.
      """),
    FindingKind(
      "no-checksums", "structure", .note,
      "The file has no checksums",
      """
      PyTorch's format from before version 1.6 stores no checksums, so damaged values can't be \
      noticed. Its structure is checked all the same. Compare the file's digest with the \
      publisher's, or convert it to a newer format.
      """),
  ]
}
