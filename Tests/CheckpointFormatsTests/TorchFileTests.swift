import CheckpointFormats
import Foundation
import TensorModel
import TestSupport
import Testing

/// Suites that write a PyTorch file and open it.
protocol TorchFileTests {
  var workspace: Workspace { get }
}

extension TorchFileTests {
  func open(_ bytes: [UInt8]) throws -> Source {
    try Source(workspace.write("x.bin", Data(bytes)))
  }

  /// The file must be refused.
  func refuses(
    _ bytes: [UInt8], _ message: String, _ code: CheckpointError.Code = .malformed,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: CheckpointError.self, sourceLocation: location) {
      try open(bytes)
    }
    #expect(error?.code == code && error?.file == "x.bin", sourceLocation: location)
    #expect(
      error?.message.contains(message) == true, "\(error?.description ?? "")",
      sourceLocation: location)
  }
}
