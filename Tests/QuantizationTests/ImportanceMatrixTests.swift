import FileContainers
import Foundation
import Quantization
import TensorModel
import TestSupport
import Testing

@Suite struct ImportanceMatrixTests {
  @Test(arguments: ["imatrix.gguf", "imatrix.dat"])
  func importancesAreThoseOfLlamaQuantize(_ file: String) throws {
    let folder = "quantization/imatrix"
    let all = try JSONDecoder().decode(
      [String: [String: [String]]].self, from: Data(Fixtures.bytes("\(folder)/expected.json")))
    let expected = try #require(all[file])
    let matrix = try ImportanceMatrix(path: Fixtures.path("\(folder)/\(file)"))
    for (name, bits) in expected {
      let columns = try #require(try matrix.columns(of: name, [1, bits.count]))
      #expect(columns.map(\.bitPattern) == bits.compactMap { UInt32($0, radix: 16) })
    }
    #expect(matrix.fileName == file)
    #expect(matrix.digest == Digest(of: try Fixtures.bytes("\(folder)/\(file)")))
    #expect(matrix.chunkCount == 7)
    let datasets = file == "imatrix.dat" ? ["wiki.train.raw"] : ["wiki.train.raw", "code.txt"]
    #expect(matrix.datasets == datasets)
    #expect(Set(expected.keys).isSubset(of: Set(matrix.names)))
    #expect(matrix.names == matrix.names.sorted())
  }

  @Test func contentDecidesAndNotTheName() throws {
    let folder = try Workspace()
    let gguf = try folder.write("m.dat", Data(GGUFImportanceSample().builder.contents))
    #expect(try ImportanceMatrix(path: gguf).chunkCount == 3)
    let legacy = try folder.write("m.gguf", Data(LegacyImportanceSample().contents))
    #expect(try ImportanceMatrix(path: legacy).chunkCount == 5)
  }

  @Test func weightsWithoutImportancesHaveNone() throws {
    #expect(try LegacyImportanceSample().matrix().columns(of: "output.weight", [1, 2]) == nil)
  }

  @Test func otherNumbersOfColumnsAreRefused() throws {
    let error = #expect(throws: CheckpointError.self) {
      try GGUFImportanceSample().matrix().columns(of: "a.weight", [1, 4])
    }
    #expect(error?.code == .usage)
    #expect(error?.tensor == "a.weight")
    #expect(error?.expected == "[1,4]")
    #expect(error?.found == "[1,2]")
  }

  @Test func expertsHaveImportancesOfTheirOwn() throws {
    var sample = GGUFImportanceSample()
    sample.counts = [1, 3]
    #expect(try sample.matrix().columns(of: "a.weight", [2, 5, 1]) == [6, 3])
    for shape in [[1, 2], [3, 5, 1], [1, 5, 2]] as [Shape] {
      let error = #expect(throws: CheckpointError.self) {
        try sample.matrix().columns(of: "a.weight", shape)
      }
      #expect(error?.code == .usage)
    }
  }

  @Test(
    arguments: [
      (0, [1, 1]), (0.4, [1, 1]), (0.5, [6, 9]), (1.5, [3, 4.5]), (3, [2, 3]),
      (16_777_218, [6 / 16_777_218, 9 / 16_777_218]),
    ] as [(Float, [Float])])
  func countsAreRoundedAndDivideTheSums(_ count: Float, _ importances: [Float]) throws {
    var sample = GGUFImportanceSample()
    sample.counts = [count]
    #expect(try sample.matrix().columns(of: "a.weight", [1, 2]) == importances)
  }

  @Test(arguments: [(0, [6, 9]), (1, [6, 9]), (3, [2, 3])] as [(Int32, [Float])])
  func callsDivideTheValues(_ calls: Int32, _ importances: [Float]) throws {
    var sample = LegacyImportanceSample()
    sample.entries[0].calls = calls
    #expect(try sample.matrix().columns(of: "a.weight", [1, 2]) == importances)
  }

  @Test func bigEndianFilesAreRead() throws {
    var sample = GGUFImportanceSample()
    sample.isBigEndian = true
    #expect(try sample.matrix().columns(of: "a.weight", [1, 2]) == [2, 3])
  }

  @Test func theTailOfOlderFilesMayBeAbsent() throws {
    let whole = try LegacyImportanceSample().matrix()
    #expect(whole.datasets == ["wiki"])
    #expect(whole.chunkCount == 5)
    let oldest = try LegacyImportanceSample(chunkCount: nil, dataset: nil).matrix()
    #expect(oldest.chunkCount == nil)
    #expect(oldest.datasets.isEmpty)
    let nameless = try LegacyImportanceSample(dataset: "").matrix()
    #expect(nameless.chunkCount == 5)
    #expect(nameless.datasets.isEmpty)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, -1, -.leastNormalMagnitude])
  func importancesThatCannotBeAreRefusedWithTheirWeight(_ value: Float) throws {
    var legacy = LegacyImportanceSample()
    legacy.entries[0].values[1] = value
    var gguf = GGUFImportanceSample()
    gguf.sums[1] = value
    gguf.counts = [1]
    for error in [error(of: legacy.contents), error(of: gguf.builder.contents)] {
      #expect(error?.code == .malformed)
      #expect(error?.tensor == "a.weight")
      #expect(error?.found?.hasSuffix("for column 1") == true)
    }
  }

  @Test(arguments: [Float.nan, .infinity, -1, 9.3e18])
  func countsThatCannotBeAreRefused(_ count: Float) {
    var sample = GGUFImportanceSample()
    sample.counts = [count]
    #expect(error(of: sample.builder.contents)?.tensor == "a.weight")
  }

  @Test func modelsAreNoImportanceMatrices() throws {
    let error = #expect(throws: CheckpointError.self) {
      try ImportanceMatrix(path: Fixtures.path("gguf/gptj.Q8_0.gguf"))
    }
    #expect(error?.code == .unsupported)
    #expect(error?.hint?.contains("llama-imatrix") == true)
  }

  @Test(arguments: ["imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"])
  func keysThatLlamaQuantizeNeedsMustBeThere(_ key: String) {
    var builder = GGUFImportanceSample().builder
    builder.entries.removeAll { $0.key == Array(key.utf8) }
    #expect(error(of: builder.contents)?.message.contains(key) == true)
    builder.add(key, type: 5, builder.bytes(Int32(1)))
    #expect(error(of: builder.contents)?.message.contains(key) == true)
  }

  @Test func sumsAndCountsNeedEachOther() {
    for position in 0...1 {
      var builder = GGUFImportanceSample().builder
      builder.tensors.remove(at: position)
      #expect(error(of: builder.contents)?.code == .malformed)
    }
    var sample = GGUFImportanceSample()
    sample.counts = [1, 2, 3]
    #expect(error(of: sample.builder.contents)?.tensor == "a.weight")
    var halves = GGUFImportanceSample().builder
    halves.tensors[0].type = 1
    halves.tensors[0].bytes = [0, 60, 0, 60]
    #expect(error(of: halves.contents)?.expected == "F32 and F32")
  }

  @Test func otherTensorsAreIgnored() throws {
    var builder = GGUFImportanceSample().builder
    builder.add(tensor: "a.weight.in_sum", extents: [1], [0, 0, 192, 127])
    let folder = try Workspace()
    let path = try folder.write("x", Data(builder.contents))
    #expect(try ImportanceMatrix(path: path).names == ["a.weight"])
  }

  @Test func weightsOccurOnce() {
    var sample = LegacyImportanceSample()
    sample.entries.append(sample.entries[0])
    #expect(error(of: sample.contents)?.message.contains("twice") == true)
  }

  @Test(
    arguments: [
      [], [0, 0, 0, 0], [255, 255, 255, 255], Array("version https://git-lfs".utf8),
      [1, 0, 0, 0, 255, 255, 255, 127], [1, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 255, 255, 255, 255],
      [1, 0, 0, 0, 1, 0, 0, 0, 97, 1, 0, 0, 0, 255, 255, 255, 127, 0, 0, 0, 0],
      [1, 0, 0, 0, 1, 0, 0, 0, 97, 1, 0, 0, 0, 0, 0, 0, 0],
      [1, 0, 0, 0, 1, 0, 0, 0, 97, 255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0],
      [1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
    ] as [[UInt8]])
  func absurdNumbersAndTextsAreRefused(_ bytes: [UInt8]) {
    #expect(error(of: bytes)?.code == .malformed)
  }

  @Test func bytesAfterTheEndAreRefused() {
    #expect(error(of: LegacyImportanceSample().contents + [0])?.code == .malformed)
    #expect(error(of: GGUFImportanceSample().builder.contents + [0])?.code == .malformed)
  }

  @Test func everyTruncationIsRefusedUnlessOnlyTheTailIsAbsent() {
    let legacy = LegacyImportanceSample().contents
    let sound = [
      LegacyImportanceSample(chunkCount: nil, dataset: nil), LegacyImportanceSample(dataset: nil),
    ].map(\.contents.count)
    for count in 0..<legacy.count {
      #expect((error(of: Array(legacy.prefix(count))) == nil) == sound.contains(count), "\(count)")
    }
    var builder = GGUFImportanceSample().builder
    builder.padsTheEnd = false
    let gguf = builder.contents
    #expect(error(of: gguf) == nil)
    for count in 0..<gguf.count { #expect(error(of: Array(gguf.prefix(count))) != nil, "\(count)") }
  }

  @Test func everyChangedByteGivesASoundResultOrAnError() throws {
    for contents in [LegacyImportanceSample().contents, GGUFImportanceSample().builder.contents] {
      for position in contents.indices {
        for change: UInt8 in [0x01, 0x80, 0xff] {
          var damaged = contents
          damaged[position] ^= change
          _ = error(of: damaged)
        }
      }
    }
  }

  /// What is wrong with a file; what it gives if nothing is must be sound.
  private func error(of contents: [UInt8]) -> CheckpointError? {
    do throws(CheckpointError) {
      let matrix = try matrix(of: contents)
      for name in matrix.names {
        for count in 1...4 {
          guard let columns = try? matrix.columns(of: name, [1, count]) else { continue }
          #expect(columns.count == count && columns.allSatisfy { $0.isFinite && $0 >= 0 })
        }
      }
      return nil
    } catch { return error }
  }
}
