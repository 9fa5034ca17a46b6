import TensorModel

extension FindingKinds {
  /// Files, indexes and names: what a checkpoint is before anybody reads a value.
  static let structure: [FindingKind] = [
    FindingKind(
      "file-missing", "structure", .error,
      "A file is missing",
      """
      A file that the checkpoint needs, or that its index, store or manifest lists, is not \
      there or can't be opened. An incomplete download or copy is the usual cause. Get the \
      missing file, or the whole checkpoint, again.
      """),
    FindingKind(
      "file-malformed", "structure", .error,
      "A file breaks the rules of its format",
      """
      The file can't be opened because its bytes contradict the format: a header is wrong, \
      offsets overlap, or the file ends too early. Damage on the way, a stopped download or a \
      faulty writer makes such files. Get the file again, or write it again with the program \
      that made it.
      """),
    FindingKind(
      "file-unsupported", "structure", .error,
      "The file's format is not supported",
      """
      The file may be sound, but it is of a format, or uses a feature of its format, that \
      weighbridge doesn't read. The message names what it is. Have the program that made it \
      save safetensors, GGUF, npz or a PyTorch state dict instead.
      """),
    FindingKind(
      "file-checksum", "structure", .error,
      "A checksum doesn't match",
      """
      The file stores a checksum of its own data, and the data have another. At least one byte \
      has changed since the file was written. Get the file again; don't use the values that \
      can still be read.
      """),
    FindingKind(
      "file-size", "structure", .error,
      "A file of the store has another size than recorded",
      """
      The store's manifest records how many bytes each volume has, and this one has more or \
      fewer. A stopped copy or a later change makes the difference. Copy the store again, or \
      convert it again from its source.
      """),
    FindingKind(
      "unreadable-file", "structure", .warning,
      "A name beside the weights is not a file that can be read",
      """
      Something with the name of a file that would be read or carried along is a folder, a \
      broken link, a device or a file without read permission. It is left out. It is an error \
      where a model's loader reads the file. Put the real file in its place, or remove it if \
      nobody needs it.
      """),
    FindingKind(
      "link-out", "structure", .warning,
      "A link leads out of the checkpoint",
      """
      A symbolic link in the checkpoint's folder points to a place outside of it. Weights are \
      read through such links, and this is only noted; files that would be copied along are \
      left out, because a link can lead to anything, private files too. Replace the link by \
      the file itself if the file belongs to the model.
      """),
    FindingKind(
      "private-key", "structure", .warning,
      "A private key lies among the files of the model",
      """
      A file beside the weights holds a private key in PEM, as openssl and ssh-keygen write them. \
      Conversions leave it out, whatever its name is. Move it out of the folder: it would be \
      published with the model. If the model was published with it, make a new key.
      """),
    FindingKind(
      "unused-weights", "structure", .warning,
      "Weights that no one reads lie beside the checkpoint",
      """
      The folder holds files of weights that don't belong to the checkpoint that is read. This \
      is a note where they are the same model in another format. Other programs may choose the \
      other files, so move them to a folder of their own, or name the file that you mean.
      """),
    FindingKind(
      "opened-as", "structure", .note,
      "The path stands for something else, which was opened",
      """
      The path is an index, a model's folder in a download cache, or a folder with one archive \
      in it. The message says which checkpoint was opened for it. Nothing needs to be done if \
      this is the one that you mean; otherwise give the exact path.
      """),
    FindingKind(
      "configuration-replaced", "structure", .note,
      "The given configuration replaces the checkpoint's own",
      """
      The command has --config, so the config.json in the checkpoint's folder isn't used. All \
      checks and results rely on the given file. Leave out --config if the checkpoint's own \
      configuration should count.
      """),
    FindingKind(
      "module-folder", "structure", .warning,
      "A folder that modules.json names is left out",
      """
      The model's modules.json names a folder that isn't there, that isn't a plain folder \
      beside it, or the file can't be read at all. Programs that load the model by its modules \
      need these folders. Get them again from where the model came from, or correct \
      modules.json.
      """),
    FindingKind(
      "tensor-name", "structure", .warning,
      "A tensor's name has control characters",
      """
      The name of a tensor contains characters that no writer would use, such as line feeds or \
      terminal escapes. They are written out as \\u{…} wherever the name is printed. Ask where \
      the file comes from before you use it, and save it again with clean names.
      """),
    FindingKind(
      "parameter-names", "structure", .error,
      "The tensors' names can't be understood",
      """
      The names follow another framework's scheme, and they can't be translated to PyTorch's: \
      some contradict each other or have no counterpart. This is a warning where the names are \
      well-formed but not supported. The file can be inspected, but commands that need to know \
      the model refuse it; save the model again under PyTorch's names.
      """),
    FindingKind(
      "format-metadata", "structure", .warning,
      "The file's metadata name another framework than its tensors",
      """
      The metadata say which framework's layout the values have, and the tensors' names are \
      those of another one. The names count here. Other programs may rely on the metadata and \
      transpose values wrongly, so save the file again with the correct 'format'.
      """),
    FindingKind(
      "shard-metadata", "structure", .warning,
      "The shards' metadata differ",
      """
      The __metadata__ of a shard isn't the same as the first shard's, which is used. Shards \
      of one export have the same metadata as a rule. Make sure that all shards come from the \
      same export.
      """),
    FindingKind(
      "unreadable-tensor", "structure", .warning,
      "A tensor is of a kind that can't be read",
      """
      The file lists a tensor of a kind that has no plain values, such as a sparse, quantized \
      or otherwise wrapped one. It isn't checked and can't be converted. Load the model with \
      its own framework and save ordinary dense tensors.
      """),
    FindingKind(
      "archive-records", "structure", .note,
      "The archive holds certificates, lists of digests or signatures",
      """
      These files say what a folder consists of, and nothing in an archive is compared with \
      them. Unpack the archive, and run `weighbridge verify` on the folder. A manifest or a \
      certificate of the archive itself lies beside it, under the archive's name.
      """),
    FindingKind(
      "index-total-size", "structure", .warning,
      "The index's total size is wrong",
      """
      The index file states the total number of bytes of all tensors, and the tensors have \
      another number. Loaders don't rely on it, but a wrong number hints that the index \
      belongs to another export. Write the index again, or get it together with its shards.
      """),
    FindingKind(
      "index-missing-tensor", "structure", .error,
      "The index lists a tensor that no shard has",
      """
      The index says that a tensor lies in a shard, and it isn't there. The shard was cut \
      short, or it belongs to another export. Get the named shard and the index again.
      """),
    FindingKind(
      "index-stale-tensor", "structure", .error,
      "A tensor lies in another shard than the index says",
      """
      A shard has a tensor that the index places in a different file, so the tensor may be \
      there twice with different values. Programs that load whole shards take one copy or the \
      other. Get all shards and the index again from one export.
      """),
    FindingKind(
      "index-unlisted-tensor", "structure", .error,
      "A shard has a tensor that the index doesn't list",
      """
      Programs that follow the index never load this tensor, and others do. Shards of two \
      exports are probably mixed. Get all shards and the index again from one export.
      """),
  ]
}
