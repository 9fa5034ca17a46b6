import CheckpointFormats
import Dispatch
import Foundation
import Synchronization
import TensorModel
import TestSupport
import Testing

/// Several things at once in one process, as a program that uses the libraries does them.
@Suite struct ConcurrencyTests {
  @Test func archivesCanBeOpenedAtTheSameTime() throws {
    let workspace = try Workspace()
    let fixture = try #require(MeshFixture.all.first { $0.name == "s4_perturbed_slim_f16" })
    // While one is being unpacked, another is opened.
    let depth = Atomic(0)
    let failures = Mutex<[String]>([])
    @Sendable func open() {
      let options = OpenOptions(
        temporaryDirectory: workspace.path,
        checkCancellation: { () throws(CheckpointError) in
          if depth.add(1, ordering: .relaxed).newValue == 1 { open() }
        })
      do { _ = try Source(fixture.archive, options) } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    open()
    #expect(depth.load(ordering: .relaxed) > 2)
    #expect(failures.withLock { $0 }.isEmpty)
    #expect(workspace.names().isEmpty)
  }

  @Test func conversionsToDifferentPlacesDontMeet() throws {
    let workspace = try Workspace()
    let source = Fixtures.path("huggingface/gpt2")
    let failures = Mutex<[String]>([])
    DispatchQueue.concurrentPerform(iterations: 4) { number in
      do { try convert(source, workspace.path("out\(number)"), dtype: .f16) } catch {
        failures.withLock { $0.append("\(error)") }
      }
    }
    #expect(failures.withLock { $0 }.isEmpty)
    let first = try workspace.snapshot(of: "out0")
    for number in 1..<4 { #expect(try workspace.snapshot(of: "out\(number)") == first) }
    #expect(workspace.names() == ["out0", "out1", "out2", "out3"])
  }
}
