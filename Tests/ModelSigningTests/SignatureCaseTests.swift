import Foundation
import ModelSigning
import TensorModel
import TestSupport
import Testing

/// One signature of `fixtures/signing/cases.json`, and what must become of it.
struct SignatureCase: Decodable, CustomStringConvertible, Sendable {
  var signature: String
  var model: String
  var publicKey: String?
  var certificateRoots: String?
  var arguments: [String]?
  var verdict: String
  var why: String

  var description: String { "\(signature): \(verdict), \(why)" }

  static let all: [SignatureCase] = {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let bytes = (try? Fixtures.bytes("signing/cases.json")) ?? []
    return (try? decoder.decode([SignatureCase].self, from: Data(bytes))) ?? []
  }()

  func check() throws -> SignatureCheck.Outcome {
    let trust: SignatureTrust =
      if let publicKey {
        .key(try VerificationKey(path: Fixtures.path("signing/\(publicKey)")))
      } else {
        .roots(
          try TrustedRoots(path: Fixtures.path("signing/\(certificateRoots ?? "")")),
          requiresCurrentValidity: false)
      }
    let arguments = arguments ?? []
    let ignored = arguments.firstIndex(of: "--ignore-path").map { [arguments[$0 + 1]] } ?? []
    return try SignatureCheck(
      Fixtures.path("signing/\(model)"), signature: Fixtures.path("signing/\(signature)"),
      trust: trust, ignoredPaths: ignored,
      ignoresUnsignedFiles: arguments.contains("--ignore-unsigned-files")
    ).run()
  }
}

@Suite struct SignatureCaseTests {
  @Test func thereAreCases() { #expect(SignatureCase.all.count == 68) }

  @Test(arguments: SignatureCase.all)
  func verdictsAreThoseOfTheCases(_ entry: SignatureCase) throws {
    let outcome = try entry.check()
    let errors = outcome.findings.filter { $0.severity == .error }
    let shown = Comment(rawValue: outcome.findings.map(\.line).joined(separator: "\n"))
    switch entry.verdict {
    case "accept":
      #expect(errors.isEmpty, shown)
      #expect(outcome.statement != nil)
    case "reject": #expect(!errors.isEmpty, shown)
    case "unverified":
      #expect(errors.contains { $0.check == "signature-keyless" }, shown)
      #expect(outcome.statement == nil)
    case "accept-or-say":
      #expect(
        errors.allSatisfy { $0.message.contains("shards") || $0.message.contains("blake3") }, shown)
    default: Issue.record("no such verdict")
    }
  }

  /// Which kind of finding refuses what.
  @Test(arguments: [
    ("scratch/ignored-weights.sig", "signature-ignored-weight"),
    ("scratch/ignored-text.sig", "signature-ignored-path"),
    ("scratch/unsigned-weights.sig", "signature-file-unsigned"),
    ("scratch/missing-file.sig", "signature-file-missing"),
    ("scratch/traversal.sig", "signature-format"),
    ("scratch/absolute.sig", "signature-format"),
    ("scratch/duplicate-first-wrong.sig", "signature-name-twice"),
    ("scratch/wrong-predicate-signed.sig", "signature-predicate"),
    ("scratch/pae-v0.2.sig", "signature-invalid"),
    ("scratch/bit.sig", "signature-invalid"),
    ("scratch/md5.sig", "signature-method"),
    ("scratch/mixed-algorithms.sig", "signature-method"),
    ("signatures/ms-shards.sig", "signature-method"),
    ("signatures/ms-blake3.sig", "signature-method"),
    ("signatures/scratch-cert-nousage.sig", "signature-certificate"),
    ("vectors/releases/v0.2.0-certificate/model.sig", "signature-invalid"),
  ])
  func theKindIsRight(_ signature: String, _ kind: String) throws {
    let entry = try #require(SignatureCase.all.first { $0.signature == signature })
    let findings = try entry.check().findings
    #expect(findings.map(\.check).contains(kind), "\(findings)")
  }

  @Test func anotherKeyIsNamed() throws {
    let entry = try #require(
      SignatureCase.all.first { $0.signature == "signatures/ms-p256.sig" && $0.verdict == "reject" }
    )
    #expect(try entry.check().findings.map(\.check) == ["signature-key"])
  }

  @Test func everyKindIsExplained() {
    let explanations = SignatureFinding.explanations
    #expect(Set(explanations.map(\.id)).count == SignatureFinding.allCases.count)
    for entry in explanations {
      #expect(entry.id.hasPrefix("signature-"))
      #expect(!entry.title.isEmpty && entry.help.hasSuffix("."))
    }
  }
}
