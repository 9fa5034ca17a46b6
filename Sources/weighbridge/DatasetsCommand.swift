import ArgumentParser
import FileContainers
import HDF5Files
import TensorModel

/// `weighbridge keras-catalogue`: what is started to have libhdf5 look at weights in a process of its own, with limits.
///
/// The file is standard input, which is read at positions.
struct DatasetsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "keras-catalogue", abstract: "List the weights that libhdf5 sees in a file.",
    shouldDisplay: false)

  @Argument var offset: Int
  @Argument var byteCount: Int

  func run() throws {
    let message: [UInt8]
    do throws(CheckpointError) {
      try HDF5Catalogue.limitToOpenFiles()
      message = DatasetMessage.bytes(
        of: try DatasetCatalogue(descriptor: 0, offset: offset, byteCount: byteCount))
    } catch { message = DatasetMessage.bytes(of: error) }
    Console.output(document: message)
  }
}
