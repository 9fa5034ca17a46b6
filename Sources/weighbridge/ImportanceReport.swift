import CheckpointConversion
import FileContainers
import Foundation
import Importance
import ModelArchitectures
import Quantization
import ReferenceForward
import TensorModel

/// What `importance` says.
struct ImportanceReport: Encodable {
  let schema = "importance/v1"
  let tool = Certificate.Tool.current
  /// The checkpoint: as it was given if that is relative, else the path's last component.
  let path: String
  let architecture: String
  /// Tokens that were run, without those of merged matrices.
  let tokenCount: Int
  /// Windows that were run, likewise.
  let chunkCount: Int
  /// Tokens of a window.
  let chunkSize: Int
  /// Tokens of the text that didn't fill a window, or weren't asked for.
  let leftOutTokenCount: Int
  /// How many of the first tokens of a window saw each other.
  let prefix: Int
  /// The texts, those of merged matrices first.
  private(set) var datasets: [String] = []
  /// The weights, sorted by name.
  private(set) var tensors: [Tensor] = []
  private(set) var findings: [Finding] = []
  /// SHA-256 of the file; nil where only second moments were written.
  var digest: Digest?
  /// The file of second moments; nil without one.
  private(set) var moments: Moments?
  var timing = ForwardReport.Timing()

  /// A weight.
  struct Tensor: Encodable {
    let name: String
    let columns: Int
    let experts: Int
    /// Tokens that came to the weight, or to all experts together.
    let tokenCount: Int
    /// Tokens that came to the expert with the fewest.
    let leastTokenCount: Int
  }

  /// A file of second moments.
  struct Moments: Encodable {
    /// SHA-256 of the file.
    let digest: Digest
    /// How many there are.
    let matrixCount: Int
    /// Weights that have one.
    let weightCount: Int
  }

  init(_ checkpoint: String, _ decoder: Decoder, _ windows: TokenWindows, prefix: Int) {
    path = JSONDocument.path(checkpoint)
    architecture = decoder.configuration.family
    tokenCount = windows.tokenCount
    chunkCount = windows.rows.count
    chunkSize = windows.length
    leftOutTokenCount = windows.leftOutCount
    self.prefix = min(prefix, windows.length)
    if leftOutTokenCount > 0 {
      findings.append(
        Finding(
          .note, "text-left-out",
          "\(counted(leftOutTokenCount, "token")) at the text's end \(leftOutTokenCount == 1 ? "is" : "are") in no window, and not run"
        ))
    }
  }

  /// Takes in what was written.
  mutating func take(_ prior: ExpertPrior) {
    datasets = prior.sums.datasets
    let names = prior.sums.entries.keys.sorted()
    tensors = names.compactMap { name in
      (prior.met[name] ?? prior.sums.entries[name]).map {
        Tensor(
          name: name.text, columns: $0.columnCount, experts: $0.counts.count,
          tokenCount: Int($0.counts.reduce(0, +)), leastTokenCount: Int($0.counts.min() ?? 0))
      }
    }
    guard prior.expertCount > 0 else { return }
    findings.append(
      Finding(
        .warning, "importance-prior",
        "\(counted(prior.expertCount, "weight")) of experts got fewer than \(Int(ExpertPrior.tokenCount)) tokens, \(prior.unmetCount) of them none: the mean of the layer stands for the missing ones; run more text",
        tensor: prior.met.keys.min()?.text))
  }

  /// Takes in the second moments that were written.
  mutating func take(_ output: SecondMomentOutput, _ digest: Digest, hasExperts: Bool) {
    moments = Moments(
      digest: digest, matrixCount: output.matrixCount, weightCount: output.weightNames.count)
    guard hasExperts else { return }
    findings.append(
      Finding(
        .note, "moments-experts",
        "experts have no second moments, and are quantized as by --quality best: each would need matrices of its own"
      ))
  }

  /// For people.
  ///
  /// - Parameters:
  ///   - checkpoint: as it was given.
  ///   - bases: of a checkpoint that is a difference.
  ///   - output: the matrix; nil if none was written.
  ///   - hessian: the second moments, likewise.
  /// - Returns: lines.
  func text(
    _ checkpoint: String, bases: [String], _ output: String?, _ hessian: String?
  ) -> String {
    let experts = tensors.map(\.experts).max() ?? 1
    let weights =
      "\(grouped(tensors.count)) of \(architecture)\(experts > 1 ? ", with \(experts) experts" : "")"
    var lines = [
      "tokens       \(grouped(tokenCount)) in \(counted(chunkCount, "window")) of \(chunkSize), in \(duration(timing.seconds))",
      "weights      \(weights)",
      "texts        \(printable(datasets.joined(separator: ", ")))",
    ]
    if let moments, let hessian {
      lines += [
        "moments      \(grouped(moments.matrixCount)) \(moments.matrixCount == 1 ? "matrix" : "matrices") for \(counted(moments.weightCount, "weight"))",
        "written      \(printable(hessian))",
      ]
    }
    if let output { lines.append("written      \(printable(output))") }
    let quantize =
      shellCommand("weighbridge quantize", checkpoint, "OUT.gguf")
      + bases.map { " " + shellCommand("--base", $0) }.joined()
    lines.append(
      hessian.map {
        "next         \(quantize) --scheme q4_k_m --quality max \(shellCommand("--hessian", $0))"
      } ?? output.map {
        "next         \(quantize) --scheme q4_k_m \(shellCommand("--imatrix", $0))"
      } ?? "")
    return lines.joined(separator: "\n")
  }
}
