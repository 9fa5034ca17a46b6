// GPT-NeoX's training checkpoints, DeepSpeed's runtime/pipe/module.py and runtime/engine.py:
//
// 1. SAVE/latest                                  the name of a step's folder, as text
// 2. SAVE/global_stepN/                           a folder for each step that was saved
// 3. global_stepN/layer_LL-model_RR-model_states.pt
//                                                 PipelineModule: a state dict for each module and tensor-parallel rank
// 4. global_stepN/mp_rank_RR_model_states.pt      Sequential: all modules of a rank under `module`, named `sequential.LL.…`; beside files of 3
//                                                 without weights, a file for each tensor- and pipeline-parallel rank
// 5. global_stepN/configs/*.yml                   what the model was trained with; also SAVE/configs
// 6. global_stepN/*_optim_states.pt               the optimizer, which isn't read

public import FileContainers
public import TensorModel

/// Checkpoints of GPT-NeoX's training code, cut over tensor-parallel ranks.
public enum GPTNeoXFormat: CheckpointFormat {
  /// `gpt-neox`.
  public static let name = "gpt-neox"
  /// For `--help`.
  public static let summary =
    "GPT-NeoX's training checkpoints (DeepSpeed): layer_LL-model_RR or mp_rank_RR files"

  /// The file that names the last step.
  static let latestFileName = "latest"
  private static let maximumNameByteCount = 255

  /// Whether files of a step lie at the top, or in a folder that is called as steps are, and no model of PyTorch's beside them.
  public static func recognises(tree: any FileTree) throws(CheckpointError) -> Bool {
    if [PyTorchFormat.fileName, PyTorchFormat.indexFileName].contains(where: tree.containsFile) {
      return false
    }
    if try NeoXFiles.areIn("", of: tree) { return true }
    return try !steps(in: tree).isEmpty
  }

  /// Opens the step at the top, else the one that `latest` names, else the only one.
  public static func open(
    tree: any FileTree, _ options: OpenOptions
  ) throws(CheckpointError) -> any CheckpointReader {
    if try NeoXFiles.areIn("", of: tree) {
      return try GPTNeoXReader(NeoXFiles(tree, folder: "", read: []), options)
    }
    let steps = try steps(in: tree)
    if tree.containsFile(latestFileName) {
      let latest = try latest(tree, steps)
      return try GPTNeoXReader(
        NeoXFiles(tree, folder: latest, read: [latestFileName]), options)
    }
    guard steps.count == 1, let step = steps.first else {
      throw CheckpointError(
        .usage, "several steps, and no file 'latest' that names one", file: tree.displayName,
        found: steps.prefix(5).joined(separator: ", "),
        hint: "name one of these folders, such as \(tree.displayName)/\(steps.last ?? "")")
    }
    return try GPTNeoXReader(NeoXFiles(tree, folder: step, read: []), options)
  }

  private static func steps(in tree: any FileTree) throws(CheckpointError) -> [String] {
    var steps: [String] = []
    for name in try tree.children(of: "") where NeoXFiles.step(named: name) != nil {
      if try NeoXFiles.areIn(name, of: tree) { steps.append(name) }
    }
    return steps
  }

  /// The folder that `latest` names; it lies beside the file, whatever is written there.
  private static func latest(
    _ tree: any FileTree, _ steps: [String]
  ) throws(CheckpointError) -> String {
    guard !tree.leadsOut(latestFileName) else {
      throw CheckpointError(
        .unsupported, "a link that leads out of the checkpoint", file: latestFileName,
        hint: "name the folder of a step")
    }
    let bytes = try tree.contents(of: latestFileName, limit: 2 * maximumNameByteCount)
    let text = String(validating: bytes, as: UTF8.self) ?? ""
    let blanks: Set<Character> = [" ", "\t", "\n", "\r\n", "\r"]
    let name = String(
      text.drop { blanks.contains($0) }.reversed().drop { blanks.contains($0) }.reversed())
    guard !name.isEmpty, name.utf8.count <= maximumNameByteCount, !name.hasPrefix("."),
      !name.utf8.contains(where: { [UInt8(ascii: "/"), UInt8(ascii: "\\"), 0].contains($0) })
    else {
      throw CheckpointError(
        .malformed, "not the name of a folder beside it", file: latestFileName,
        expected: "such as \(steps.last ?? "global_step1000")", found: name,
        hint: "name the folder of a step")
    }
    guard try NeoXFiles.areIn(name, of: tree) else {
      throw CheckpointError(
        .missing, "the step that it names is not there", file: latestFileName, expected: name,
        found: steps.prefix(5).joined(separator: ", "),
        hint: "name the folder of a step, or get the missing one")
    }
    return name
  }
}
