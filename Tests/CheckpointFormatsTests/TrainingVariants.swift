import CheckpointFormats
import FileContainers
import Foundation
import TensorModel
import TestSupport
import Testing

/// What `make.py` beside some files says of their tensors.
struct TensorVariants {
  struct Tensor: Decodable {
    let dtype: String
    let shape: [Int]
    let digest: String
  }

  /// By file and tensor.
  let expected: [String: [String: Tensor]]
  let folder: String

  init(_ folder: String) {
    self.folder = folder
    let data = FileManager.default.contents(atPath: Fixtures.path("\(folder)/expected.json"))
    expected =
      data.flatMap { try? JSONDecoder().decode([String: [String: Tensor]].self, from: $0) } ?? [:]
  }

  var files: [String] { expected.keys.sorted() }

  /// Compares everything that is read of a file with what was written.
  func check(_ file: String) throws {
    let reader = try Source(Fixtures.path("\(folder)/\(file)"), .forTests).reader
    let tensors = try #require(expected[file])
    #expect(Set(reader.checkpoint.tensors.map(\.name)) == Set(tensors.keys))
    for (position, tensor) in reader.checkpoint.tensors.enumerated() {
      let wanted = try #require(tensors[tensor.name], "\(tensor.name)")
      #expect(tensor.dtype.rawValue == wanted.dtype && tensor.shape.dimensions == wanted.shape)
      let digest = Digest(of: try reader.contents(position))
      #expect("\(digest)" == wanted.digest, "\(file): \(tensor.name)")
    }
  }
}

/// A folder of `fixtures` with `case.json`, and the identities of its model's tensors.
struct TrainingCase: Sendable, CustomTestStringConvertible {
  let folder: String
  var testDescription: String { folder }

  static let all = [
    "flax/gptj_chunked_bf16", "flax/gpt_neo_sharded", "flax/gpt2", "keras/gpt2_sharded",
    "keras/gpt2_gzip_shuffle",
  ].map(TrainingCase.init)

  /// Dtypes, shapes and digests by canonical name.
  var tensors: [String: TensorVariants.Tensor] {
    get throws {
      struct File: Decodable { let tensors: [String: TensorVariants.Tensor] }
      return try JSONDecoder().decode(
        File.self, from: Data(Fixtures.bytes("\(folder)/case.json"))
      ).tensors
    }
  }
}

@Suite struct TrainingCaseTests {
  @Test(arguments: TrainingCase.all)
  func haveTheTensorsThatWereTrained(_ one: TrainingCase) throws {
    let reader = try Source(Fixtures.path(one.folder), .forTests).reader
    let canonical = try reader.canonicalTensors()
    let found = try digests(reader, as: nil)
    let expected = try one.tensors
    #expect(Set(found.keys) == Set(expected.keys))
    for tensor in canonical {
      let wanted = try #require(expected[tensor.name])
      #expect(tensor.dtype.rawValue == wanted.dtype && tensor.shape.dimensions == wanted.shape)
      #expect(found[tensor.name].map { "\($0)" } == wanted.digest, "\(tensor.name)")
    }
  }
}
