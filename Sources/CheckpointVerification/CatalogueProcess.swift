import FileContainers
import Foundation
import HDF5Files
import TensorModel

/// Lists what libhdf5 sees in a file, in a child process: the library isn't trusted with bytes of unknown origin.
public struct CatalogueProcess: Sendable {
  private let executable: String
  private let arguments: [String]

  /// What a catalogue may have at most: that of a million datasets.
  private static let maximumByteCount = 1 << 30

  /// A command that prints the catalogue of the file that its last argument names.
  ///
  /// - Parameters:
  ///   - executable: its path.
  ///   - arguments: before the file's path.
  public init(executable: String, arguments: [String]) {
    self.executable = executable
    self.arguments = arguments
  }

  /// The catalogue of a file.
  ///
  /// - Throws: `malformed` if libhdf5 can't read the file, or died of it; `inputOutput` if the process can't be started.
  func catalogue(of path: String) throws(CheckpointError) -> HDF5Catalogue {
    // A process that dies of a hostile file leaves no trace.
    let outcome = try ChildProcess.run(
      executable, arguments + [path], settings: ["SWIFT_BACKTRACE=enable=no"],
      limit: Self.maximumByteCount)
    guard outcome.failure == nil,
      let catalogue = try? JSONDecoder().decode(HDF5Catalogue.self, from: Data(outcome.output))
    else {
      throw CheckpointError(
        .malformed, "libhdf5 can't list this volume", found: outcome.failure ?? "no catalogue")
    }
    return catalogue
  }
}
