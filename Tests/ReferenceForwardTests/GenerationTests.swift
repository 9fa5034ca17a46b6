import Foundation
import ModelArchitectures
import ReferenceForward
import TensorModel
import TestSupport
import Testing

/// Greedy generation and perplexity, against the logits of one pass.
@Suite struct GenerationTests {
  @Test(arguments: Model.huggingFace, [0, 3])
  func generationIsTheArgmaxChainOfOnePass(model: Model, prefix: Int) throws {
    let decoder = try model.decoder()
    let vocabulary = decoder.configuration.dimensions.vocabulary
    let prompt = Array(try model.tokens.prefix(4))
    let chain = try Generation(decoder).tokens(after: prompt, 12, prefix: prefix).tokens
    let logits = try decoder.allLogits([prompt + chain], prefix: prefix)
    let likeliest = (3..<15).map { row in
      let values = Array(logits[row * vocabulary..<(row + 1) * vocabulary])
      return values.indices.max { values[$0] < values[$1] } ?? -1
    }
    #expect(chain == likeliest)
  }

  @Test(arguments: Model.huggingFace)
  func weightsInMemoryGenerateTheSameTokens(model: Model) throws {
    let prompt = Array(try model.tokens.prefix(3))
    let streamed = try Generation(try model.decoder()).tokens(after: prompt, 10).tokens
    let resident = try Generation(try model.decoder(keepsWeights: true)).tokens(after: prompt, 10)
      .tokens
    #expect(streamed == resident)
  }

  @Test(arguments: Model.huggingFace, [false, true])
  func tokenAfterTokenGivesTheLogitsOfOnePass(model: Model, keepsWeights: Bool) throws {
    let decoder = try model.decoder(keepsWeights: keepsWeights)
    let vocabulary = decoder.configuration.dimensions.vocabulary
    let tokens = try model.tokens
    let cache = Decoder.Cache(decoder.configuration)
    let buffer = FloatBuffer()
    var logits: [Float] = []
    // A first chunk of several tokens, then chunks of one and two.
    var start = 0
    for length in [5, 1, 2] + Array(repeating: 1, count: tokens.count - 8) {
      let new = Array(tokens[start..<start + length])
      let state = try decoder.run([new], Sequences([length], starts: [start]), cache)
      try decoder.logits(state, 0..<length, into: buffer)
      logits += UnsafeBufferPointer(start: buffer.base, count: length * vocabulary)
      start += length
    }
    #expect(largestDistance(logits, try decoder.allLogits([tokens])) <= LogitsTests.bound)
  }

  @Test(arguments: ["gptj", "llama_biases"].map(Model.named), [5, 7, 64])
  func perplexityIsTheMeanOfTheLogitsLosses(model: Model, window: Int) throws {
    let decoder = try model.decoder()
    let vocabulary = decoder.configuration.dimensions.vocabulary
    let rows = [try model.tokens, Array(try model.tokens.reversed().prefix(11))]
    var losses: [Double] = []
    for row in rows {
      for start in stride(from: 0, to: row.count, by: window) {
        let part = Array(row[start..<min(row.count, start + window)])
        let logits = try decoder.allLogits([part]).map(Double.init)
        for place in 0..<part.count - 1 {
          let values = logits[place * vocabulary..<(place + 1) * vocabulary]
          let sum = values.reduce(0) { $0 + exp($1) }
          losses.append(log(sum) - values[place * vocabulary + part[place + 1]])
        }
      }
    }
    let count = Double(losses.count)
    let mean = losses.reduce(0, +) / count
    let spread = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let measure = try Perplexity.measure(decoder, TokenWindows(rows: rows, length: window))
    #expect(measure.tokenCount == losses.count)
    #expect(abs(measure.meanNegativeLogLikelihood - mean) < 1e-5)
    #expect(abs(measure.perplexity / exp(mean) - 1) < 1e-5)
    let error = (spread / (count - 1) / count).squareRoot()
    #expect(abs(measure.standardError - error) < 1e-5)
  }
}
