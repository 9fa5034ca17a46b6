import FileContainers
import Foundation
import Testing

/// What Swift and Foundation say where /proc is mounted; without it, `scripts/packaging/bare-system` looks.
struct ProcessArgumentsTests {
  @Test func areSwifts() {
    #expect(!ProcessArguments.all.isEmpty)
    #expect(ProcessArguments.all == CommandLine.arguments)
  }

  @Test func pathIsFoundations() throws {
    let path = try #require(Bundle.main.executablePath)
    #expect(ProcessArguments.executablePath == URL(filePath: path).resolvingSymlinksInPath().path)
  }
}
