import ArgumentParser
import FileContainers
import Foundation
import HDF5Files
import TensorModel

/// `weighbridge hdf5-catalogue`: what `verify` starts to have libhdf5 look at a volume in a process of its own, with limits.
struct CatalogueCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hdf5-catalogue", abstract: "List what libhdf5 sees in a volume.",
    shouldDisplay: false)

  @Argument var file: String

  func run() throws {
    try HDF5Catalogue.limitProcess()
    Console.output([UInt8](try JSONEncoder().encode(try HDF5Catalogue(path: file))))
  }
}
