import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@Suite struct FlaxTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private static let variants = TensorVariants("flax/variants")

  @Test(arguments: variants.files) func readsWhatWasWritten(file: String) throws {
    try Self.variants.check(file)
  }

  @Test func allVariantsAreThere() { #expect(Self.variants.files.count == 3) }

  @Test(arguments: Fixtures.cases("bad/msgpack"))
  func getsItsVerdict(file: Fixtures.Case) throws {
    let error = try failure(file.path, .forTests)
    #expect((error == nil) == (file.verdict == "accept"), "\(error?.description ?? "")")
    #expect(error.map { $0.file == Directories.split(file.path).name } ?? true)
  }

  @Test func everyTruncationIsAnError() throws {
    let bytes = try Fixtures.bytes("bad/msgpack/ok_chunked.msgpack")
    for count in 0..<bytes.count {
      let path = try workspace.write("cut.msgpack", Data(bytes.prefix(count)))
      let error = try failure(path)
      #expect(error?.code == .malformed || error?.code == .unsupported, "\(count)")
    }
  }

  @Test func isRecognisedByItsContents() throws {
    let bytes = try Fixtures.bytes("bad/msgpack/ok_plain.msgpack")
    let path = try workspace.write("weights", Data(bytes))
    #expect(try Source(path).checkpoint.format == "flax")
    // Other maps of MessagePack are nothing that is read.
    let other = try workspace.write("other", Data([0x81, 0xa1, 0x61, 0x01]))
    #expect(throws: CheckpointError.self) { try Source(other) }
  }

  /// A leaf, without an extension around it or with another code.
  @Test(
    arguments: [
      ([0x01], "a number"), ([0xc0], "nil"), ([0xc3], "a truth value"),
      ([0xca, 0, 0, 0, 0], "a number"),
      ([0xa1, 0x62], "a text"), ([0xc4, 1, 0], "bytes"), ([0x90], "a list"),
      ([0xd4, 2, 0], "extension 2"), ([0xc1], "byte 193"),
    ] as [([UInt8], String)])
  func namesWhatIsNoWeight(_ value: [UInt8], _ found: String) throws {
    let path = try workspace.write("x.msgpack", Data([0x81, 0xa1, 0x61] + value))
    let error = try #require(try failure(path))
    #expect(error.tensor == "a")
    #expect(error.description.contains(found), "\(error)")
  }

  @Test func namesAndDepthAreBounded() throws {
    // A long key in front of many short ones takes much more memory than the file has.
    let array: [UInt8] = [0xc7, 13, 1, 0x93, 0x91, 0] + [0xa7] + Array("float32".utf8) + [0xc4, 0]
    #expect(array.count == 3 + 13)
    var bytes: [UInt8] = [0x81, 0xda, 0x04, 0x00] + [UInt8](repeating: 0x78, count: 1024)
    bytes += [0xde, 0x50, 0x00]
    for number in 0..<0x5000 { bytes += [0xa5] + Array(String(10_000 + number).utf8) + array }
    let path = try workspace.write("x.msgpack", Data(bytes))
    #expect(try failure(path)?.message.contains("too long names") == true)
    let deep = [UInt8](repeating: 0, count: 70).flatMap { _ in [0x81, 0xa1, 0x61] as [UInt8] }
    let other = try workspace.write("y.msgpack", Data(deep + [0x80]))
    #expect(try failure(other)?.message.contains("too deep") == true)
  }

  @Test func shardsMustFitTheIndex() throws {
    let folder = "flax/gpt_neo_sharded"
    try workspace.copy(Fixtures.path(folder), to: "in")
    #expect(try failure(workspace.path("in")) == nil)
    #expect(
      try failure(workspace.path("in/flax_model.msgpack.index.json")) == nil)
    try workspace.remove("in/flax_model-00002-of-00006.msgpack")
    let missing = try failure(workspace.path("in"))
    #expect(missing?.code == .missing)
    #expect(missing?.file == "flax_model-00002-of-00006.msgpack")
    try workspace.copy(
      Fixtures.path("\(folder)/flax_model-00003-of-00006.msgpack"),
      to: "in/flax_model-00002-of-00006.msgpack")
    #expect(try failure(workspace.path("in"))?.code == .malformed)
  }
}
