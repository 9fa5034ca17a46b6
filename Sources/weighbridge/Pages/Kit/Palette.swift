/// The colours of the pages, in one table: style sheets are made of it, and tests look at it.
enum Palette {
  /// A colour in both modes, each as `#rrggbb`.
  struct Color {
    /// The name of its variable in the style sheet.
    let name: String
    let light: String
    let dark: String
  }

  /// What is written or drawn on: the page itself, raised parts, and behind what is good, bad or doubtful.
  static let grounds = [
    Color(name: "page", light: "#ffffff", dark: "#14171b"),
    Color(name: "card", light: "#f5f6f8", dark: "#1d2126"),
    Color(name: "good-back", light: "#e5f5e9", dark: "#152d1d"),
    Color(name: "bad-back", light: "#fdecea", dark: "#3b1a19"),
    Color(name: "warning-back", light: "#fff4d9", dark: "#35290f"),
  ]

  /// What is written.
  static let texts = [
    Color(name: "text", light: "#1b1f24", dark: "#e8ebef"),
    Color(name: "quiet", light: "#57606a", dark: "#a3acb7"),
    Color(name: "link", light: "#0a58b5", dark: "#7db7ff"),
    Color(name: "good", light: "#176330", dark: "#7fd79a"),
    Color(name: "bad", light: "#b3201b", dark: "#ff9c94"),
    Color(name: "warning", light: "#7a4b00", dark: "#f2c66d"),
  ]

  /// Lines that only separate.
  static let lines = [Color(name: "line", light: "#d9dde3", dark: "#363c44")]

  /// Marks, in the order in which series take them.
  ///
  /// Dark and bright ones alternate, so that neighbours differ in lightness, which no kind of colour blindness takes away.
  static let series = [
    Color(name: "c0", light: "#0b3c8c", dark: "#9cc9ff"),
    Color(name: "c1", light: "#c6640b", dark: "#ca820e"),
    Color(name: "c2", light: "#0b5a46", dark: "#7aedc5"),
    Color(name: "c3", light: "#b5569a", dark: "#bd56a2"),
    Color(name: "c4", light: "#393d45", dark: "#e8e7ee"),
    Color(name: "c5", light: "#2a80c6", dark: "#3f86c9"),
    Color(name: "c6", light: "#7a202b", dark: "#ffaea2"),
    Color(name: "c7", light: "#679149", dark: "#797a35"),
  ]

  /// Which texts stand on which grounds, by names.
  static let written = [
    ("text", "page"), ("quiet", "page"), ("link", "page"), ("bad", "page"), ("text", "card"),
    ("quiet", "card"), ("link", "card"), ("good", "good-back"), ("bad", "bad-back"),
    ("warning", "warning-back"), ("text", "warning-back"), ("quiet", "warning-back"),
    ("link", "warning-back"),
  ]

  /// Variables and classes for a style sheet: `--c0` and, to fill marks with, `.c0`.
  static var styleSheet: String {
    let all = grounds + texts + lines + series
    func variables(_ value: (Color) -> String) -> String {
      all.map { "--\($0.name): \(value($0));" }.joined(separator: " ")
    }
    let classes = series.map { ".\($0.name) { fill: var(--\($0.name)); }" }
    return """
      :root { \(variables(\.light)) }
      @media screen and (prefers-color-scheme: dark) { :root { \(variables(\.dark)) } }
      \(classes.joined(separator: "\n"))

      """
  }
}
