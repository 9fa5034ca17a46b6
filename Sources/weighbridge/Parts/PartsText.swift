import CheckpointConversion
import TensorModel

/// What `status` and `merge` say to people.
enum PartsText {
  /// How far all parts are: a line for each that isn't complete, and one for all.
  static func status(_ status: PartsStatus, _ destination: String) -> String {
    let complete = status.parts.count { $0.state == .complete }
    var lines = status.parts.filter { $0.state == .unfinished }.map {
      "part \($0.part): unfinished, \(humanSize($0.doneByteCount)) of \(humanSize($0.byteCount))"
    }
    let done = status.parts.reduce(0) { $0 + $1.doneByteCount }
    let all = status.parts.reduce(0) { $0 + $1.byteCount }
    lines.append(
      "\(grouped(complete)) of \(counted(status.partCount, "part")) complete, \(humanSize(done)) of \(humanSize(all))"
        + (status.complete
          ? "; next: \(shellCommand("weighbridge merge", destination))"
          : "; missing: \(status.missing)"))
    return lines.joined(separator: "\n")
  }
}
