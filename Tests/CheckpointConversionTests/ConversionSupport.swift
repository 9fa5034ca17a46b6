import CheckpointConversion
import CheckpointFormats
import FileContainers
import Foundation
import Synchronization
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

/// What the tests convert with unless they say otherwise.
let smallResources = EvaluationResources(memory: 64_000_000, threads: 2)

/// A request that can be changed before it is carried out.
func request(
  _ source: String, _ destination: String, dtype: DType? = nil,
  resources: EvaluationResources = smallResources,
  _ edit: (inout ConversionRequest) -> Void = { _ in }
) -> ConversionRequest {
  var request = ConversionRequest(
    source: source, destination: destination,
    openOptions: OpenOptions(checkCancellation: resources.checkCancellation), resources: resources)
  request.format = "safetensors"
  request.settings.dtype = dtype
  edit(&request)
  return request
}

/// Carries a request out.
@discardableResult
func convert(_ request: ConversionRequest) throws(CheckpointError) -> Converter.Outcome {
  try ConversionJob(request).run(.silent)
}

/// Carries a request out.
@discardableResult
func convert(
  _ source: String, _ destination: String, dtype: DType? = nil,
  resources: EvaluationResources = smallResources,
  _ edit: (inout ConversionRequest) -> Void = { _ in }
) throws(CheckpointError) -> Converter.Outcome {
  try convert(request(source, destination, dtype: dtype, resources: resources, edit))
}

/// The error that carrying a request out ends in; nil if it succeeds.
func failure(of request: ConversionRequest) -> CheckpointError? {
  do throws(CheckpointError) {
    try convert(request)
    return nil
  } catch { return error }
}

extension ConversionJob.Observer {
  /// Tells nobody.
  static let silent = ConversionJob.Observer(
    willStart: { _, _, _ in }, report: { _ in }, progress: { _ in })
}

/// Stops the work at one of the moments when it asks whether it should.
final class Interruption: Sendable {
  private let calls = Atomic<Int>(0)
  private let last: Int

  /// The call number `last`, counted from 1, and all after it throw; 0 means none.
  init(at last: Int) { self.last = last }

  /// How often the work has asked.
  var callCount: Int { calls.load(ordering: .relaxed) }

  /// Resources that ask this.
  func resources(memory: Int = 1_000_000, threads: Int = 1) -> EvaluationResources {
    EvaluationResources(memory: memory, threads: threads) { () throws(CheckpointError) in
      let call = self.calls.add(1, ordering: .relaxed).newValue
      if self.last > 0 && call >= self.last {
        throw CheckpointError(.interrupted, "stopped by the test")
      }
    }
  }
}

/// A Mesh-Transformer fixture and the Hugging Face tensors that it must give.
struct MeshFixture: Sendable, CustomTestStringConvertible {
  let name: String
  var testDescription: String { name }
  var folder: String { Fixtures.path("mesh-transformer/\(name)") }
  var archive: String { "\(folder)/step.tar.zstd" }

  static let all = Fixtures.names(in: "mesh-transformer")
    .filter {
      FileManager.default.fileExists(atPath: Fixtures.path("mesh-transformer/\($0)/step.tar.zstd"))
    }
    .map { MeshFixture(name: $0) }

  var configuration: [UInt8] {
    get throws { [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/config.json"))) }
  }

  struct Expected: Decodable {
    struct Tensor: Decodable {
      let shape: [Int]
      let sha256_f32le: String
    }
    let tensors: [String: Tensor]
  }

  var expected: [String: Expected.Tensor] {
    get throws {
      let data = try Data(contentsOf: URL(filePath: "\(folder)/expected_hf_f32.json"))
      return try JSONDecoder().decode(Expected.self, from: data).tensors
    }
  }

  func convert(
    to destination: String, dtype: DType? = nil, resources: EvaluationResources = smallResources,
    _ edit: (inout ConversionRequest) -> Void = { _ in }
  ) throws -> Converter.Outcome {
    let configuration = try configuration
    return try CheckpointConversionTests.convert(
      archive, destination, dtype: dtype, resources: resources
    ) {
      $0.openOptions.configuration = configuration
      $0.openOptions.configurationName = "config.json"
      edit(&$0)
    }
  }
}

extension Data {
  /// SHA-256 in hexadecimal digits.
  var digest: String { Digest(of: [UInt8](self)).hexadecimal }
}

/// The error that carrying a request out ends in, and something to do when the work begins.
func failure(
  of request: ConversionRequest, willStart: @escaping @Sendable () -> Void
) -> CheckpointError? {
  do throws(CheckpointError) {
    _ = try ConversionJob(request).run(
      ConversionJob.Observer(
        willStart: { _, _, _ in willStart() }, report: { _ in }, progress: { _ in }))
    return nil
  } catch { return error }
}

/// Something that can happen once.
final class Flag: Sendable {
  private let value = Atomic(false)

  /// Whether it happened.
  var isSet: Bool { value.load(ordering: .relaxed) }

  /// It happens.
  @Sendable func set() { value.store(true, ordering: .relaxed) }
}

/// Interrupts a conversion to `out` at many places: each time it is resumed it gives what it would have given without.
func expectResumed(
  everyCall step: Int,
  _ request: (Workspace, EvaluationResources) throws -> ConversionRequest
) throws {
  let never = Interruption(at: 0)
  let reference = try Workspace()
  try convert(request(reference, never.resources()))
  let whole = try reference.snapshot(of: "")
  for call in stride(from: 1, through: never.callCount, by: step) {
    let workspace = try Workspace()
    let interrupted = try request(workspace, Interruption(at: call).resources())
    #expect(failure(of: interrupted)?.code == .interrupted)
    #expect(!workspace.has("out"))
    var resumed = try request(workspace, smallResources)
    resumed.resume = true
    try convert(resumed)
    #expect(try workspace.snapshot(of: "") == whole)
  }
}
