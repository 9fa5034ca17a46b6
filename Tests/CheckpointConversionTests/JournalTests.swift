import CheckpointFormats
import FileContainers
import Foundation
import TensorEvaluation
import TensorModel
import TestSupport
import Testing

@testable import CheckpointConversion

/// What a journal that was cut off or damaged is still good for.
@Suite struct JournalTests {
  private let workspace: Workspace
  private let plan = Digest(of: [1])
  private let inputs: [Source.Input]

  init() throws {
    workspace = try Workspace()
    let sample = SafetensorsSample([SampleTensor("x", [1], floats: [1])])
    inputs = try Source(workspace.write("in.safetensors", sample.fileContents)).inputs
  }

  private static let claims = (0..<3).map {
    Journal.Claim(
      group: $0, digests: [Digest(of: [UInt8($0)]), Digest(of: [])], rounded: $0 * 7,
      ulp: Double($0) / 3,
      overflows: $0)
  }

  /// A journal with three claims, and where its lines end.
  private func sample() throws -> (contents: Data, ends: [Int]) {
    if workspace.has("sample") { try workspace.remove("sample") }
    let journal = try Journal.create(
      at: workspace.path("sample"), plan: plan, files: [], inputs: inputs)
    for claim in Self.claims { try journal.record(claim) }
    let contents = try workspace.contents("sample")
    return (contents, contents.indices.filter { contents[$0] == 10 }.map { $0 + 1 })
  }

  private func resumed(_ contents: Data) throws(CheckpointError) -> [Journal.Claim] {
    do { try workspace.write("journal", contents) } catch {
      throw CheckpointError(.inputOutput, "\(error)")
    }
    return try Journal.resume(at: workspace.path("journal"), plan: plan, files: [], inputs: inputs)
      .claims
      .groups
  }

  @Test func givesBackWhatWasRecorded() throws {
    let (contents, ends) = try sample()
    #expect(ends.count == 4)
    #expect(try resumed(contents) == Self.claims)
  }

  @Test func countsWholeLinesWhereverItWasCut() throws {
    let (contents, ends) = try sample()
    for count in 0..<contents.count {
      let whole = ends.count { $0 <= count }
      if whole == 0 {
        // Nothing was claimed yet: nothing is taken over, or the journal is refused.
        do throws(CheckpointError) {
          let claims = try resumed(contents.prefix(count))
          #expect(claims.isEmpty)
        } catch { #expect(error.code == .conflict) }
      } else {
        #expect(try resumed(contents.prefix(count)) == Array(Self.claims.prefix(whole - 1)))
        #expect(try workspace.contents("journal") == contents.prefix(ends[whole - 1]))
      }
    }
  }

  @Test func believesNothingFromADamagedLineOn() throws {
    let (contents, ends) = try sample()
    for place in stride(from: 0, to: contents.count, by: 3) {
      var damaged = contents
      damaged[place] ^= 4
      let line = ends.count { $0 <= place }
      // The space between checksum and content says nothing.
      if line > 0 && place == ends[line - 1] + 8 { continue }
      if line == 0 {
        do throws(CheckpointError) {
          let claims = try resumed(damaged)
          #expect(claims.isEmpty)
        } catch { #expect(error.code == .conflict) }
      } else {
        #expect(try resumed(damaged) == Array(Self.claims.prefix(line - 1)), "byte \(place)")
      }
    }
  }

  @Test func goesOnAfterTheLastSoundLine() throws {
    let (contents, ends) = try sample()
    try workspace.write("journal", contents.prefix(ends[1] + 5))
    let (journal, claims) = try Journal.resume(
      at: workspace.path("journal"), plan: plan, files: [], inputs: inputs)
    #expect(claims.groups == [Self.claims[0]])
    try journal.record(Self.claims[1])
    try journal.record(Self.claims[2])
    #expect(try workspace.contents("journal") == contents)
  }

  @Test func belongsToOnePlanAndItsInputs() throws {
    try workspace.write("journal", sample().contents)
    let path = workspace.path("journal")
    let other = #expect(throws: CheckpointError.self) {
      try Journal.resume(at: path, plan: Digest(of: [2]), files: [], inputs: inputs)
    }
    #expect(other?.code == .conflict)
    let sample = SafetensorsSample([SampleTensor("x", [2], floats: [1, 2])])
    let changed = try Source(workspace.write("in.safetensors", sample.fileContents)).inputs
    let input = #expect(throws: CheckpointError.self) {
      try Journal.resume(at: path, plan: plan, files: [], inputs: changed)
    }
    #expect(input?.code == .conflict)
    #expect(input?.file == "in.safetensors")
  }
}
