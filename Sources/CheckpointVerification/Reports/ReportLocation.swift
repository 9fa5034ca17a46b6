import FileContainers
import TensorModel

/// Where a finding is, for programs that show it beside a file: a path relative to where the command ran, never absolute, never with `..`.
struct ReportLocation: Hashable, Sendable {
  /// The checkpoint's path as it was given.
  private let given: String
  /// What reports call an absolute path; nil if it is given relative.
  private let name: String?
  /// Its components, without those that lead nowhere.
  private let checkpoint: [String]
  /// What the names of files follow: the checkpoint, or the folder of a checkpoint that is one file.
  private let base: [String]

  /// The location of a checkpoint.
  ///
  /// - Parameters:
  ///   - path: as it was given.
  ///   - isFile: whether it is one file.
  init(_ path: String, isFile: Bool) {
    given = path
    name = path.hasPrefix("/") ? Directories.split(path).name : nil
    checkpoint = name.map { [$0] } ?? Self.normal(path, climbing: true)
    let isArchive = Directories.split(path).name.contains(".tar")
    base = isFile && !isArchive ? checkpoint.dropLast() : checkpoint
  }

  /// The path of a file of the checkpoint, or of the checkpoint itself.
  ///
  /// - Parameter file: relative to the checkpoint, or a path, as errors have it.
  /// - Returns: components with slashes between them; `.` for the folder that the command runs in.
  func path(of file: String?) -> String {
    let components = components(file)
    return components.isEmpty ? "." : components.joined(separator: "/")
  }

  /// The same as a relative reference of RFC 3986: everything but unreserved characters and slashes is escaped, so no name becomes a scheme or a host.
  func uri(of file: String?) -> String {
    var uri = ""
    for byte in path(of: file).utf8 {
      if Self.unreserved.contains(byte) {
        uri.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        uri += "%\(digits.count == 1 ? "0" : "")\(digits)"
      }
    }
    return uri
  }

  private static let unreserved = Set(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/".utf8)

  /// A finding without the absolute path of the checkpoint, which differs between machines.
  func relative(_ finding: Finding) -> Finding {
    guard let name, let file = finding.file, file.hasPrefix("/") else { return finding }
    guard let short = file == given ? name : Self.rest(of: file, in: given) else { return finding }
    return Finding(
      finding.severity, finding.check, finding.message, file: short, tensor: finding.tensor)
  }

  private func components(_ file: String?) -> [String] {
    guard let file, file != given, file != name else { return checkpoint }
    let parent = Directories.split(given).parent
    if let rest = Self.rest(of: file, in: given) {
      return checkpoint + Self.normal(rest, climbing: false)
    }
    if given.unicodeScalars.contains("/"), let rest = Self.rest(of: file, in: parent) {
      return checkpoint.dropLast() + Self.normal(rest, climbing: false)
    }
    // A file that is no part of the checkpoint.
    if file.hasPrefix("/") { return [Directories.split(file).name].filter { $0 != "/" } }
    return base + Self.normal(file, climbing: false)
  }

  private static func rest(of file: String, in folder: String) -> String? {
    let prefix = folder.unicodeScalars.last == "/" ? folder : folder + "/"
    guard file.utf8.starts(with: prefix.utf8) else { return nil }
    return String(decoding: file.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
  }

  /// The components of a path without empty ones, `.` and `..`, which takes one back where it may.
  private static func normal(_ path: String, climbing: Bool) -> [String] {
    var components: [String] = []
    for component in Directories.components(of: path) where component != "." {
      if component != ".." {
        components.append(component)
      } else if climbing {
        _ = components.popLast()
      }
    }
    return components
  }
}
