import Testing

@testable import weighbridge

/// Whether everybody can tell the pages' colours apart and read what is written.
@Suite struct PaletteTests {
  private typealias Mode = (name: String, color: @Sendable (Palette.Color) -> String)
  private static let modes: [Mode] = [("light", { $0.light }), ("dark", { $0.dark })]

  /// Pairs of Sharma, Wu and Dalal's test data (2005, table 1).
  @Test(
    arguments: [
      (Lab(50, 2.6772, -79.7751), Lab(50, 0, -82.7485), 2.0425),
      (Lab(50, -1.3802, -84.2814), Lab(50, 0, -82.7485), 1.0000),
      (Lab(50, 2.5, 0), Lab(50, 0, -2.5), 4.3065), (Lab(50, 2.5, 0), Lab(73, 25, -18), 27.1492),
      (Lab(60.2574, -34.0099, 36.2677), Lab(60.4626, -34.1751, 39.4387), 1.2644),
      (Lab(22.7233, 20.0904, -46.6940), Lab(23.0331, 14.9730, -42.5619), 2.0373),
      (Lab(2.0776, 0.0795, -1.1350), Lab(0.9033, -0.0636, -0.5514), 0.9082),
    ])
  func distancesAreThoseOfCIEDE2000(one: Lab, other: Lab, expected: Double) {
    #expect(abs(one.distance(other) - expected) < 0.00006)
    #expect(abs(other.distance(one) - expected) < 0.00006)
  }

  @Test func simulationTakesAwayWhatColorBlindPeopleMiss() {
    // A red and a green of like lightness, and a blue and a green.
    for (vision, one, other) in [
      (ColorVision.deuteranopia, "#c06050", "#80803c"), (.protanopia, "#d05040", "#6f6a3a"),
      (.tritanopia, "#0090c0", "#00948c"),
    ] {
      let full = ColorVision.full.seen(one).distance(ColorVision.full.seen(other))
      let left = vision.seen(one).distance(vision.seen(other))
      #expect(full > 19 && left < 0.6 * full, "\(vision): \(full), \(left)")
    }
  }

  /// Neighbours by 20 and any two by 9, as CIEDE2000 has it.
  @Test(arguments: ColorVision.allCases) func seriesAreToldApart(vision: ColorVision) {
    for (mode, color) in Self.modes {
      let seen = Palette.series.map { vision.seen(color($0)) }
      for (one, first) in seen.enumerated() {
        let next = (one + 1) % seen.count
        #expect(first.distance(seen[next]) >= 20, "\(mode), \(vision): c\(one) and c\(next)")
        for (other, second) in seen.enumerated().dropFirst(one + 1) {
          #expect(first.distance(second) >= 9, "\(mode), \(vision): c\(one) and c\(other)")
        }
      }
    }
  }

  @Test func everythingCanBeRead() throws {
    let grounds = Dictionary(uniqueKeysWithValues: Palette.grounds.map { ($0.name, $0) })
    let texts = Dictionary(uniqueKeysWithValues: Palette.texts.map { ($0.name, $0) })
    #expect(Set(Palette.written.map(\.0)) == Set(texts.keys))
    #expect(Set(Palette.written.map(\.1)) == Set(grounds.keys))
    for (text, ground) in Palette.written {
      let (text, ground) = (try #require(texts[text]), try #require(grounds[ground]))
      for (mode, color) in Self.modes {
        let contrast = ColorVision.contrast(color(text), color(ground))
        #expect(contrast >= 4.5, "\(mode): \(text.name) on \(ground.name) has \(contrast)")
      }
    }
    // Marks are no text: 3 is enough for them (WCAG 2.2, 1.4.11).
    for mark in Palette.series {
      for (mode, color) in Self.modes {
        let contrast = ColorVision.contrast(color(mark), color(Palette.grounds[0]))
        #expect(contrast >= 3, "\(mode): \(mark.name) has \(contrast)")
      }
    }
    #expect(abs(ColorVision.contrast("#ffffff", "#000000") - 21) < 1e-9)
    #expect(abs(ColorVision.contrast("#777777", "#ffffff") - 4.478) < 0.001)
  }

  @Test func theStyleSheetHasNoOtherColors() {
    let css = String(decoding: PackageResources.page_css, as: UTF8.self)
    #expect(!css.contains(/#[0-9a-fA-F]{3,8}\b|rgb|hsl/))
    for color in Palette.grounds + Palette.texts + Palette.lines + Palette.series {
      #expect(Palette.styleSheet.contains("--\(color.name): \(color.light);"))
      #expect(Palette.styleSheet.contains("--\(color.name): \(color.dark);"))
    }
    // Each variable that is used is one of the table.
    let names = Set((Palette.grounds + Palette.texts + Palette.lines + Palette.series).map(\.name))
    for use in css.matches(of: /var\(--([a-z0-9-]+)\)/) {
      #expect(names.contains(String(use.output.1)), "\(use.output.0)")
    }
  }

  @Test func seriesNeverLookTheSame() {
    let styles = SeriesStyle.assigned((0..<56).map { "\($0)" })
    #expect(Set(styles.map { "\($0.color) \($0.shape)" }).count == styles.count)
    for (one, next) in zip(styles, styles.dropFirst()) {
      #expect(one.color != next.color && one.shape != next.shape)
    }
  }

  @Test func everyShapeIsDrawnDifferently() {
    let head = String(decoding: PackageResources.head_html, as: UTF8.self)
    let symbols = head.matches(of: /<symbol id="(s\d+)"[^>]*>(.*)<\/symbol>/)
    #expect(symbols.map { String($0.output.1) } == (0..<SeriesStyle.shapeCount).map { "s\($0)" })
    #expect(Set(symbols.map(\.output.2)).count == SeriesStyle.shapeCount)
  }
}
