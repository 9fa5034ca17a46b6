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
      throw ValidationError("--report needs a run: --dry-run without --measure measures nothing.")
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
    guard !measure || !options.dryRun || (maxKl == nil && maxRmse == nil) else {
      throw ValidationError("--max-kl and --max-rmse are for runs; --measure shows the figures.")
    }
    guard destination != nil || (options.dryRun && !parts.areGiven) else {
      throw ValidationError("Missing expected argument '<destination>'.")
    }
    let containers = try schemes().map(\.container)
    guard (hessian != nil) == (quality == .max) else {
      throw ValidationError(
        hessian == nil
          ? "--quality max needs --hessian: make the file with weighbridge importance --hessian."
          : "--hessian is for --quality max.")
    }
    guard hessian == nil || size.target == nil else {
      throw ValidationError(
        "--quality max needs a scheme: types for --target-size and --target-bits are chosen with --quality best."
      )
    }
    guard imatrix == nil || quality != .plain || containers.contains(where: \.heedsImportance)
    else {
      throw ValidationError(
        "--imatrix changes nothing in \(containers[0].title), unless --quality best is given.")
    }
    try ReportFile.requirePage(report)
  }
}
