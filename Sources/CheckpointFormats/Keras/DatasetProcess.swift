import FileContainers
import TensorModel

/// Lists the weights of HDF5 files in a child process: libhdf5 isn't trusted with bytes of unknown origin.
public struct DatasetProcess: Sendable {
  private let executable: String
  private let arguments: [String]

  /// A command that reads an HDF5 file from its standard input and prints a `DatasetMessage`.
  ///
  /// - Parameters:
  ///   - executable: its path; `weighbridge` is one.
  ///   - arguments: before the two that say where in the file HDF5 begins, and how many bytes there are.
  public init(executable: String, arguments: [String] = ["keras-catalogue"]) {
    self.executable = executable
    self.arguments = arguments
  }

  /// The weights that a file lists.
  ///
  /// - Parameter file: from HDF5's signature on.
  /// - Returns: what the process says, which isn't trusted either.
  /// - Throws: `malformed` or `unsupported` if libhdf5 can't read it, or dies of it; `inputOutput` if the process can't be started.
  func catalogue(of file: FileRegion) throws(CheckpointError) -> DatasetCatalogue {
    // A process that dies of a hostile file leaves no trace.
    let outcome = try ChildProcess.run(
      executable, arguments + ["\(file.offset)", "\(file.byteCount)"],
      settings: ["SWIFT_BACKTRACE=enable=no"], input: file.file,
      limit: DatasetMessage.maximumByteCount)
    if let failure = outcome.failure {
      throw CheckpointError(
        .malformed, "libhdf5 can't list this file: the process that it read it in has ended",
        found: failure, hint: "the file was damaged, or made to do harm: get it again")
    }
    return try DatasetMessage.catalogue(in: outcome.output)
  }
}
