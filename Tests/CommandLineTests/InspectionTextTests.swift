import Foundation
import TestSupport
import Testing

/// What `inspect` says that other commands will need.
@Suite struct InspectionTextTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private func missing(_ path: String, _ more: String...) throws -> [String] {
    let document = try Weighbridge.run(["inspect", path, "--json"] + more).object
    let missing = try #require(document["missing"] as? [String])
    let text = try Weighbridge.run(["inspect", path] + more).text
    #expect(text.contains("a configuration: ") == missing.contains("configuration"))
    #expect(text.contains("a tokenizer: ") == missing.contains("tokenizer"))
    return missing
  }

  @Test func namesWhatIsNotThere() throws {
    #expect(try missing(fixture("huggingface/gptj")).isEmpty)
    #expect(try missing(fixture("huggingface/llama")) == ["tokenizer"])
    #expect(try missing(fixture("gguf/gptj.Q8_0.gguf")) == ["tokenizer"])
    #expect(try missing(archive) == ["configuration", "tokenizer"])
    #expect(try missing(archive, "--config", configuration) == ["tokenizer"])
  }

  @Test func saysHowLargeAStoreIsOnDisk() throws {
    let store = workspace.path("a.store")
    #expect(try Weighbridge.run("convert", fixture("huggingface/gptj"), store).code == 0)
    let document = try Weighbridge.run("inspect", store, "--json").object
    let size = try #require(document["file_byte_count"] as? Int)
    #expect(size < document["byte_count"] as? Int ?? 0)
    #expect(try Weighbridge.run("inspect", store).text.contains(" KB on disk\n"))
    #expect(try !Weighbridge.run("inspect", fixture("huggingface/gptj")).text.contains("on disk"))
  }

  @Test func keysOfGGUFFilesHaveALineEach() throws {
    let text = try Weighbridge.run("inspect", fixture("gguf/gptj.Q8_0.gguf")).text
    #expect(text.contains("\nmetadata      general.architecture = phi2\n"))
    #expect(text.contains("\n              phi2.block_count = 3\n"))
  }
}
