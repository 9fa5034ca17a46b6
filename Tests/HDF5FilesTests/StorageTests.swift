import HDF5Files
import TensorModel
import Testing

@Suite struct StorageTests {
  @Test(
    arguments: [
      ("model.layers.0.weight", "model.layers.0.weight"), ("", "%"), (".", "%2E"), ("..", ".."),
      ("a/b", "a%2Fb"), ("%", "%25"), ("%2F", "%252F"), ("\0", "%00"),
      ("ä\u{301}🙂 \n", "ä\u{301}🙂 \n"),
      ("./a", ".%2Fa"),
    ])
  func escapesWhatLinksCanNotHold(_ tensor: String, _ link: String) {
    #expect(HDF5Storage.linkName(for: tensor).utf8.elementsEqual(link.utf8))
  }

  @Test func differentTensorsHaveDifferentLinks() {
    // All texts of up to four of the characters that matter.
    var texts: [String] = [""]
    var links: Set<ExactName> = []
    for length in 0...4 {
      for text in texts {
        let link = HDF5Storage.linkName(for: text)
        #expect(!link.isEmpty && link != "." && !link.utf8.contains { $0 == 0 || $0 == 0x2f })
        #expect(links.insert(ExactName(link)).inserted, "\(text)")
      }
      if length < 4 {
        texts = texts.flatMap { text in
          ["/", "%", "\0", ".", "2", "F", "E", "0", "5"].map { text + $0 }
        }
      }
    }
  }

  @Test func packedDTypesAreWholeBytes() {
    #expect(type(.f4, [3, 2]).datasetExtents == [3])
    #expect(type(.f6e2m3, [4, 2]).datasetExtents == [6])
    #expect(type(.f16, [4, 2]).datasetExtents == [4, 2])
    #expect(type(.f16, []).datasetExtents == [])
    #expect(
      DType.allCases.map { TensorType($0, []).datasetElementByteCount }.allSatisfy {
        [1, 2, 4, 8].contains($0)
      })
  }
}
