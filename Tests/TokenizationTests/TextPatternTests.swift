import Testing

@testable import Tokenization

@Suite struct TextPatternTests {
  private func words(_ pattern: TextPattern, _ text: String) -> [String] {
    pattern.words(of: Array(text.unicodeScalars)[...]).map { word in
      var view = String.UnicodeScalarView()
      view.append(contentsOf: word)
      return String(view)
    }
  }

  @Test func cutsAsGPT2() {
    #expect(
      words(.gpt2, "It's  2024's  we'RE\n\n x!?") == [
        "It", "'s", " ", " 2024", "'s", " ", " we", "'", "RE", "\n\n", " x", "!?",
      ])
  }

  @Test func cutsAsLlama3() {
    #expect(
      words(.llama3, "It'S 12345 \n\n  x\t!?\n'\u{17f}") == [
        "It", "'S", " ", "123", "45", " \n\n", " ", " x", "\t", "!?\n", "'\u{17f}",
      ])
  }

  @Test func cutsAsQwen2() {
    #expect(words(.qwen2, "a 12  ") == ["a", " ", "1", "2", "  "])
  }

  @Test(arguments: TextPattern.allCases) func knowsItselfByItsExactText(pattern: TextPattern) {
    #expect(TextPattern(expression: pattern.expression) == pattern)
    #expect(TextPattern(expression: pattern.expression + " ") == nil)
  }

  @Test(arguments: TextPattern.allCases) func losesNothing(pattern: TextPattern) {
    for text in ["", " ", "\n \n", "a\u{301} 1\u{a0}\u{2003}'", "''ll 're", "\r\n\u{85}x\u{0}"] {
      #expect(words(pattern, text).joined().unicodeScalars.elementsEqual(text.unicodeScalars))
      #expect(!words(pattern, text).contains(""))
    }
  }
}

@Suite struct NormalizerTests {
  private func composed(_ scalars: [UInt32]) -> [UInt32] {
    CanonicalForm.composed(scalars.compactMap(Unicode.Scalar.init)).map(\.value)
  }

  @Test func composesInCanonicalOrder() {
    #expect(composed([0x61, 0x301, 0x323]) == [0x1ea1, 0x301])
    #expect(composed([0x212b]) == [0xc5])
    #expect(composed([0x10041, 0x301, 0x323]) == [0x10041, 0x323, 0x301])
    #expect(composed([0xcca, 0xcd5]) == [0xccb])
    #expect(composed([0xf73, 0xf71]) == [0xf71, 0xf71, 0xf72])
    #expect(composed([0x958]) == [0x915, 0x93c])
    #expect(composed([0xf900]) == [0x8c48])
    #expect(composed([0x2f801]) == [0x4e38])
  }

  @Test func composesHangul() {
    #expect(composed([0x1100, 0x1161, 0x11a8]) == [0xac01])
    #expect(composed([0xac00, 0x11a8]) == [0xac01])
    #expect(composed([0x1100, 0x1161, 0x11a7]) == [0xac00, 0x11a7])
    #expect(composed([0xd7a3]) == [0xd7a3])
  }

  @Test func leavesWhatTheReferenceDoesNotKnow() {
    #expect(composed([0x61, 0x16ff0, 0x334]) == [0x61, 0x16ff0, 0x334])
    #expect(composed([0x61, 0x16ff0, 0x301]) == [0x61, 0x16ff0, 0x301])
  }
}

@Suite struct TextCuttingTests {
  private func words(_ cutting: TextCutting, _ text: String) -> [String] {
    PreTokenizer(steps: cutting.steps).words(of: Array(text.unicodeScalars)[...], isStart: true)
      .map { word in
        var view = String.UnicodeScalarView()
        view.append(contentsOf: word)
        return String(view)
      }
  }

  @Test func cutsAsTheFamilies() {
    #expect(
      words(.gpt4o, "HTTPServer camelCase'S don't/\n 1234")
        == ["HTTPServer", " camel", "Case'S", " don't", "/\n", " ", "123", "4"])
    #expect(words(.bloom, "a, b(c)  d") == ["a", ",", " b", "(", "c", ") ", " d"])
    #expect(words(.starcoder, "ab 12") == ["ab", " ", "1", "2"])
    #expect(words(.falcon, "a... 12345") == ["a", "...", "Ġ", "123", "45"])
  }

  @Test func namesAreThoseOfGGUF() {
    for (cutting, ignores, preferred, name) in [
      (.llama3, true, nil, "llama-bpe"), (.llama3, false, nil, "dbrx"),
      (.llama3, false, "llama-bpe", "dbrx"), (.llama3, false, "smaug-bpe", "smaug-bpe"),
      (.starcoder, false, "refact", "refact"), (.starcoder, false, "qwen2", "starcoder"),
      (.qwen2, false, "stablelm2", "stablelm2"), (.gpt4o, false, nil, "gpt-4o"),
      (.bloom, false, nil, "bloom"), (.falcon, false, nil, "falcon"),
    ] as [(TextCutting, Bool, String?, String)] {
      #expect(cutting.ggufName(ignoresMerges: ignores, preferred: preferred) == name)
      #expect(TextCutting(ggufName: name) == cutting)
    }
  }
}
