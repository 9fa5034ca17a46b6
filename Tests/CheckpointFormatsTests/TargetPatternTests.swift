import TensorModel
import Testing

@testable import CheckpointFormats

/// Regular expressions that name modules: the answers are those of Python's `re.match`.
@Suite struct TargetPatternTests {
  static let down = "model.layers.11.mlp.down_proj"
  static let experts = "model.layers.3.block_sparse_moe.experts.7.w2"

  private func matches(_ pattern: String, _ name: String) throws -> Bool {
    var effort = 1 << 20
    let found = try TargetPattern(pattern).matches(Array(name.unicodeScalars), effort: &effort)
    #expect(effort > 0)
    return found
  }

  @Test(arguments: [
    (".*down_proj", down, true), (".*down_proj$", down, true), ("down_proj", down, false),
    ("model", down, true), (".*\\.mlp\\.(gate|up|down)_proj$", down, true),
    (".*\\.mlp\\.(gate|up)_proj$", down, false), ("model.layers.[0-9]+.mlp", down, true),
    ("model[.]layers[.](1|11)[.]mlp", down, true), ("model[.]layers[.](1|12)[.]mlp", down, false),
    ("^model\\.layers\\.\\d{2}\\.", down, true), ("^model\\.layers\\.\\d{3,}\\.", down, false),
    ("model\\.layers\\.\\d{1,2}\\.mlp", down, true), ("model\\.layers\\.1{,1}\\.", down, false),
    ("model\\.layers\\.1{1,1}1\\.", down, true), ("(?!.*lm_head).*", down, true),
    ("(?!.*mlp).*", down, false), ("(?=.*mlp)model", down, true), ("(?:model|lm)_", down, false),
    ("(?P<a>model)\\.", down, true), ("[^m]", down, false), ("[]m]odel", down, true),
    ("[a-m]odel", down, true), ("\\w+\\.\\w+\\.\\d+\\.", down, true), ("\\bmodel\\b", down, true),
    ("model\\B", down, false), ("model\\Z", down, false), ("", down, true), ("x|", down, true),
    ("(|x)*model", down, true), ("(a*)*model", down, true), ("(x?){3}model", down, true),
    (".*experts\\.\\d+\\.w[13]$", experts, false), (".*experts\\.\\d+\\.w[12]$", experts, true),
    ("{", "{x", true), ("a{,}b", "aab", true), ("a{x}", "a{x}", true), ("a.c", "a\nc", false),
    ("abc$", "abc\n", true), ("abc\\Z", "abc\n", false), ("[\\d-]+x", "1-2x", true),
    ("[a\\-c]+$", "b", false), ("ü+", "üü", true),
  ])
  func answersAreThoseOfPython(_ pattern: String, _ name: String, _ expected: Bool) throws {
    #expect(try matches(pattern, name) == expected)
  }

  @Test(arguments: [
    "(", ")", "a)", "[", "[a", "*", "a**", "a|*", "a{2,1}", "[b-a]", "a\\", "(?P<a", "a{2}{3}",
    "(?<=a)b", "(?i)a", "(a)\\1", "a++", "\\q", "^*", "(?>a)", "(?P=a)",
    String(repeating: "(", count: 30) + String(repeating: ")", count: 30),
    String(repeating: "a", count: 1001), "(((a{99}){99}){99}){99}", "(((){99999}){99999}){99999}",
    "a{99999999999999999999999}",
  ])
  func whatIsNotUnderstoodIsSaid(_ pattern: String) {
    #expect(throws: CheckpointError.self) { try TargetPattern(pattern) }
  }

  @Test(arguments: [
    "(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*)*x", "(.*a){20}x", "([a-z]+)*!", "(?=(a+)+$)b",
    "(?!(a+)+$)b",
  ])
  func nothingTakesLong(_ pattern: String) throws {
    let name = String(repeating: "a", count: 60) + "!b"
    #expect(try !matches(pattern, name) || pattern == "([a-z]+)*!")
  }
}
