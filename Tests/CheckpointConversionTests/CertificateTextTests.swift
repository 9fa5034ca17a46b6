import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// Lists in JSON that are read a few elements at a time.
@Suite struct CertificateTextTests {
  private func pieces(_ text: String, every count: Int = 2) throws -> [String]? {
    let bytes = Array(text.utf8)
    return try JSONListText(of: "t", in: BytesInMemory(bytes), every: count)?.pieces.map {
      String(decoding: bytes[$0], as: UTF8.self)
    }
  }

  @Test func elementsAreFoundWhateverIsInThem() throws {
    #expect(try pieces(#"{"a":[1,2],"t":[1,2,3],"z":"t"}"#) == ["1,2", "3"])
    #expect(try pieces(#"{"t" : [ {"t":[1,2],"x":"]\",[{"} , [3,[4]] ]}"#, every: 1)?.count == 2)
    #expect(try pieces(#"{"t":[]}"#) == [""])
    #expect(try pieces(#"{"x":{"t":[1]},"t":[2]}"#) == ["2"])
    #expect(try pieces(#"{"":[1],"tt":[2],"u":[3],"t":[4]}"#) == ["4"])
  }

  @Test func elementsAreFoundInTextsThatAreReadBitByBit() throws {
    let long = String(repeating: "x", count: (64 << 10) - 6)
    // A key, a string and a bracket, each where a new part of the text begins.
    for space in 0..<12 {
      let text = "{\"a\":\"\(long)\"\(String(repeating: " ", count: space)),\"t\":[1,\"]\\\"\"]}"
      #expect(try pieces(text) == ["1,\"]\\\"\""], "\(space)")
    }
  }

  @Test func whatIsNotPlainIsLeftToTheParser() throws {
    for text in [
      #"{"t":[1],"t":[2]}"#, #"{"t":{}}"#, #"{"\u0074":[1]}"#, #"{"t":[1,2,]}"#, #"{"t":[1"#,
      #"{"t":["1]}"#, "", "[1]", #"{"x":[1]}"#, #"{"t":[1]}}"#,
    ] { #expect(try pieces(text) == nil, "\(text)") }
  }

  private static let certificate = Certificate(
    tool: .current, plan: Digest(of: []),
    source: .init(format: "npz", layout: "one", architecture: nil), format: "npz",
    attention: .causal, inputs: [],
    tensors: (0..<1000).map { number in
      Certificate.TensorRecord(
        name: "t\(number), \"[\\", dtype: .f32, shape: [number], file: "f", expression: .text("x"),
        sources: .names(["t\(number)"]), exactness: .exact, largestErrorUlp: 0, overflowCount: 0,
        quantization: nil, digest: Digest(of: [UInt8(number % 256)]))
    }, files: [], assets: [], leftOut: [], findings: [], root: Digest(of: []))

  private func text() throws -> [UInt8] {
    var text: [UInt8] = []
    try Self.certificate.write { text += $0 }
    return text
  }

  @Test func aCertificateOfManyTensorsIsReadAsItWasWritten() throws {
    let (certificate, text) = (Self.certificate, try text())
    #expect(try text == JSONDocument.bytes(certificate))
    #expect(try Certificate(parsing: BytesInMemory(text), file: "") == certificate)
    // The same on one line.
    let plain = text.filter { $0 != 0x0a }
    #expect(try Certificate(parsing: BytesInMemory(plain), file: "") == certificate)
    let error = #expect(throws: CheckpointError.self) {
      try Certificate(parsing: BytesInMemory(Array(text.dropLast(3))), file: "c.json")
    }
    #expect(error?.code == .malformed && error?.file == "c.json")
  }

  // MARK: Twice

  /// Names of tensors, as they are read once more.
  private func names(_ text: CertificateText) throws -> [String] {
    var names: [String] = []
    try text.forEachTensor { names.append($0.name) }
    return names
  }

  @Test func tensorsAreReadAgainThoughAnotherFileHasTheName() throws {
    let workspace = try Workspace()
    let path = try workspace.write("c.json", Data(text()))
    let certificate = try CertificateText(at: path, file: "c.json")
    #expect(certificate.frame.tensors.isEmpty)
    #expect(try Certificate(certificate) == Self.certificate)
    try FileManager.default.removeItem(atPath: path)
    try workspace.write("c.json", Data("{}".utf8))
    #expect(try names(certificate) == Self.certificate.tensors.map(\.name))
  }

  @Test(arguments: ["longer", "of other tensors", "broken"])
  func aCertificateThatChangesBetweenTwoReadingsIsAnError(_ change: String) throws {
    let workspace = try Workspace()
    let text = try text()
    let path = try workspace.write("c.json", Data(text))
    let certificate = try CertificateText(at: path, file: "c.json")
    #expect(try names(certificate).count == 1000)
    let changed =
      switch change {
      case "longer": text + [0x0a]
      case "broken": text.map { $0 == UInt8(ascii: ":") ? UInt8(ascii: ";") : $0 }
      default: text.map { $0 == UInt8(ascii: "t") ? UInt8(ascii: "u") : $0 }
      }
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.write(contentsOf: Data(changed))
    try file.close()
    // Clocks of file systems are coarse.
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: path)
    let error = #expect(throws: CheckpointError.self) { try names(certificate) }
    #expect(error?.code == .inputOutput && error?.file == path, "\(String(describing: error))")
    #expect(error?.message.contains("changed") == true)
  }
}
