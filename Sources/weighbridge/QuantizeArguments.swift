import ArgumentParser
import Quantization

/// Which of quantize's options go together.
extension QuantizeCommand {
  func validate() throws {
    try parts.check()
    if parts.areGiven && !options.dryRun {
      guard !measure else {
        throw ValidationError(
          "--measure is for a single run: --dry-run --measure compares schemes before the parts.")
      }
      guard labels.labels == nil else {
        throw ValidationError(
          "--labels runs the whole result: give it to weighbridge compare after the merge.")
      }
    }
    if parts.part != nil && !options.dryRun {
      for (name, isGiven) in [("--report", report != nil), ("--max-rmse", maxRmse != nil)]
      where isGiven {
        throw ValidationError("\(name) is judged of the whole: give it to weighbridge merge.")
      }
    }
    guard validatesResult || (!validation.areGiven && maxKl == nil) else {
      throw ValidationError("--tokens, --tokens-file, --text and --max-kl need --validate.")
    }
    guard labels.labels == nil || (validatesResult && !options.dryRun) else {
      throw ValidationError(
        options.dryRun
          ? "--labels needs a run: --dry-run writes nothing that could choose."
          : "--labels needs --validate: source and result run side by side.")
    }
    for (name, limit) in [("--max-kl", maxKl), ("--max-rmse", maxRmse)] {
      if let limit, !limit.isFinite || limit < 0 {
        throw ValidationError("\(name) must be a number, and not negative.")
      }
    }
    if options.dryRun && !measure && report != nil {
      throw ValidationError(
        size.target == nil
          ? "--report needs a run: --dry-run without --measure measures nothing."
          : "--report needs a run: of a target --dry-run shows the choice alone, and --json has what was measured for it."
      )
    }
    guard (scheme == nil) != (size.target == nil) else {
      throw ValidationError(
        scheme == nil
          ? "Missing expected argument '--scheme <scheme>': name one, or give --target-size or --target-bits."
          : "Give --scheme, or a target for the size, not both.")
    }
    let areSeveral = scheme?.areSeveral ?? false
    guard options.dryRun || (!tensors && !areSeveral) else {
      throw ValidationError(
        areSeveral
          ? "Several schemes are compared with --dry-run --measure; to write, choose one."
          : "--tensors is for --dry-run.")
    }
    guard !areSeveral || measure else {
      throw ValidationError("Several schemes are compared with --dry-run --measure.")
    }
    guard !measure || !options.dryRun || scheme != nil else {
      throw ValidationError("--dry-run --measure compares schemes: name them by --scheme.")
    }
    // With --submit the limits go into the job that merges.
    guard !options.dryRun || parts.areGiven || (maxKl == nil && maxRmse == nil) else {
      throw ValidationError(
        "--max-kl and --max-rmse are for runs: --dry-run writes nothing that could exceed them. --dry-run --measure --validate shows the figures of schemes."
      )
    }
    guard destination != nil || (options.dryRun && !parts.areGiven) else {
      throw ValidationError("Missing expected argument '<destination>'.")
    }
    let containers = try schemes().map(\.container)
    guard quality != .max || size.target == nil else {
      throw ValidationError(
        "--quality max is for a scheme, because a target for the size measures every type on every weight, which would take its rounding for each: give --quality best with the target, or name a --scheme."
      )
    }
    guard (hessian != nil) == (quality == .max) else {
      throw ValidationError(
        hessian == nil
          ? "--quality max needs the second moments of layers' inputs: make them with weighbridge importance --hessian FILE, and name the file by --hessian."
          : "--hessian is for --quality max: give both, or leave it out.")
    }
    guard imatrix == nil || quality != .plain || containers.contains(where: \.heedsImportance)
    else {
      throw ValidationError(
        "--imatrix changes nothing in \(containers[0].title), unless --quality best is given.")
    }
    try ReportFile.requirePage(report)
  }
}
