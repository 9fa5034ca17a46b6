import CheckpointFormats
import ModelArchitectures
import TestSupport
import Testing

@testable import CheckpointConversion

/// How much of the residual stream sublayers add.
@Suite struct ResidualSharesTests {
  private static func place(
    _ projection: DecoderRole.Projection, _ layer: Int?, _ number: Int? = nil
  ) -> DecoderPlace {
    DecoderPlace(.weight(projection), layer, number)
  }

  /// The stream has 1 + 1 + 2 after the first layer, 4 + 4 + 8 after the second: shares are a quarter and a half.
  private static let outputs: [(place: DecoderPlace, energy: Double)] = [
    (DecoderPlace(.tokenEmbedding), 1), (place(.head, nil), 100), (place(.query, 0), 50),
    (place(.output, 0), 1), (place(.down, 0), 2), (place(.output, 1), 4), (place(.down, 1), 8),
  ]
  private static let sublayers = ResidualShares.sublayers(outputs.map(\.place))

  @Test func sharesAreOfTheStreamAfterTheLayer() throws {
    let shares = try #require(ResidualShares(Self.outputs, of: Self.sublayers))
    for layer in 0...1 {
      #expect(abs(shares.of(Self.place(.output, layer)) - 0.5.squareRoot()) < 1e-12)
      #expect(abs(shares.of(Self.place(.down, layer)) - 2.0.squareRoot()) < 1e-12)
    }
  }

  @Test func whatGoesIntoASublayerCountsByTheRoot() throws {
    let shares = try #require(ResidualShares(Self.outputs, of: Self.sublayers))
    for projection in [DecoderRole.Projection.query, .value, .queryKeyValue] {
      #expect(abs(shares.of(Self.place(projection, 1)) - 0.5.squareRoot().squareRoot()) < 1e-12)
    }
    #expect(abs(shares.of(Self.place(.gateUp, 0)) - 2.0.squareRoot().squareRoot()) < 1e-12)
    #expect(shares.of(Self.place(.head, nil)) == 1)
  }

  @Test func theOrderOfWeightsDoesNotMatter() throws {
    let one = try #require(ResidualShares(Self.outputs, of: Self.sublayers))
    let other = try #require(ResidualShares(Self.outputs.reversed(), of: Self.sublayers))
    for (place, _) in Self.outputs { #expect(one.of(place) == other.of(place)) }
  }

  @Test func expertsAddUp() throws {
    let experts = (0..<2).map { (place: Self.place(.expertDown, 0, $0), energy: 1.0) }
    let outputs = Self.outputs.filter { $0.place != Self.place(.down, 0) } + experts
    let one = try #require(
      ResidualShares(outputs, of: ResidualShares.sublayers(outputs.map(\.place))))
    let other = try #require(ResidualShares(Self.outputs, of: Self.sublayers))
    #expect(one.of(Self.place(.expertUp, 0, 1)) == other.of(Self.place(.up, 0)))
  }

  @Test func aSublayerThatIsNotKnownLeavesAllAlike() {
    #expect(ResidualShares(Self.outputs.dropLast(), of: Self.sublayers) == nil)
    #expect(ResidualShares(Self.outputs.map { ($0.place, 0) }, of: Self.sublayers) == nil)
  }

  @Test func normsAfterSublayersHideWhatTheyAdd() throws {
    let gemma = try Source(Fixtures.path("huggingface/gemma2")).model()
    #expect(ResidualShares.sublayers(Array(gemma.placed.keys)).isEmpty)
    let llama = try Source(Fixtures.path("huggingface/llama")).model()
    #expect(!ResidualShares.sublayers(Array(llama.placed.keys)).isEmpty)
  }
}
