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
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: executable)
    process.arguments = arguments + [path]
    // A process that dies of a hostile file leaves no trace.
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["SWIFT_BACKTRACE": "enable=no"]
    ) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    do { try process.run() } catch {
      throw CheckpointError(
        .inputOutput, "can't start the process that lists HDF5 files: \(error)", file: executable)
    }
    let bytes = (try? output.fileHandleForReading.read(upToCount: Self.maximumByteCount)) ?? Data()
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0,
      let catalogue = try? JSONDecoder().decode(HDF5Catalogue.self, from: bytes)
    else {
      let reason =
        process.terminationReason == .exit
        ? "exit code \(process.terminationStatus)" : "signal \(process.terminationStatus)"
      throw CheckpointError(.malformed, "libhdf5 can't list this volume", found: reason)
    }
    return catalogue
  }
}
