import CheckpointFormats
import FileContainers
import TensorModel

/// Finds everything that is wrong with a checkpoint that doesn't open: opening stops at the first.
struct StructureCheck {
  private let path: String

  init(_ path: String) { self.path = path }

  /// The error of opening the whole, and those of its files on their own.
  func findings(after error: CheckpointError) -> [Finding] {
    var findings = [Finding("structure", error)]
    guard FileKind(of: path) == .directory,
      let names = try? DirectoryTree(path: path).children(of: "")
    else { return findings }
    for name in names where name.hasSuffix(".safetensors") {
      do throws(CheckpointError) { _ = try Source("\(path)/\(name)") } catch {
        let finding = Finding("structure", error)
        if !findings.contains(finding) { findings.append(finding) }
      }
    }
    return findings
  }
}
