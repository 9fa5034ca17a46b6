import FileContainers
import TensorModel
import TestSupport
import Testing

@Suite struct TarTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func open(_ bytes: [UInt8]) throws -> (tree: ArchiveTree, findings: [Finding]) {
    try openArchive(
      .file(scratch.file(bytes)), displayName: "archive", spoolPath: scratch.freshPath())
  }

  /// Opens an archive that is made by a closure, plain and compressed; both must give the same.
  private func open(
    ended: Bool = true, _ make: (inout TarBuilder) -> Void
  ) throws -> (tree: ArchiveTree, findings: [Finding]) {
    var builder = TarBuilder()
    make(&builder)
    if ended { builder.end() }
    let plain = Result { try open(builder.bytes) }
    let compressed = Result { try open(zstdFrame(builder.bytes)) }
    switch (plain, compressed) {
    case (.success(let left), .success(let right)):
      #expect(left.findings == right.findings)
      #expect(left.tree.children(of: "") == right.tree.children(of: ""))
    case (.failure(let left), .failure(let right)):
      #expect((left as? CheckpointError)?.summary == (right as? CheckpointError)?.summary)
    default: Issue.record("plain: \(plain), compressed: \(compressed)")
    }
    return try plain.get()
  }

  private func refuses(
    _ code: CheckpointError.Code = .malformed, ended: Bool = true,
    _ location: SourceLocation = #_sourceLocation, _ make: (inout TarBuilder) -> Void
  ) {
    let error = #expect(throws: CheckpointError.self, sourceLocation: location) {
      try open(ended: ended, make)
    }
    #expect(error?.code == code, sourceLocation: location)
    #expect(error?.file == "archive", sourceLocation: location)
  }

  private func text(_ tree: ArchiveTree, _ path: String) throws -> String {
    String(decoding: try tree.contents(of: path, limit: 1 << 20), as: UTF8.self)
  }

  @Test(arguments: Fixtures.cases("bad/tarzst"))
  func givesItsVerdict(_ file: Fixtures.Case) throws {
    let spool = scratch.freshPath()
    let input = try InputFile(path: file.path)
    let result = Result {
      try openArchive(.file(input), displayName: file.name, spoolPath: spool)
    }
    switch result {
    case .success(let archive):
      #expect(file.verdict == (archive.findings.isEmpty ? "accept" : "warn"))
    case .failure(let error):
      let error = try #require(error as? CheckpointError)
      #expect(file.verdict == "reject")
      #expect(error.expected != nil || error.hint != nil)
      #expect(!fileExists(spool))
    }
  }

  @Test func knowsAllFixtures() { #expect(Fixtures.cases("bad/tarzst").count == 28) }

  @Test func readsMembersOfAllDialects() throws {
    let long = String(repeating: "d/", count: 80) + "f"
    let tree = try open {
      $0.add("a/", type: "5")
      $0.add("./a/./one", Array("1".utf8), type: "\u{0}")
      $0.add("a//two", Array("22".utf8), type: "7")
      $0.add("a/three", Array("333".utf8), magic: "ustar  \u{0}", prefix: "not a prefix")
      $0.add("four", Array("4444".utf8), prefix: "p/q")
      $0.add("v7/", type: "\u{0}", magic: "")
      $0.add("a/signed\u{e9}", Array("5".utf8), signed: true)
      $0.add("././@LongLink", Array(long.utf8) + [0], type: "L")
      $0.add("cut off", Array("long".utf8))
      $0.addRecords([("comment", "from git")], type: "g")
      $0.addRecords([("path", "pax/f"), ("mtime", "1.5"), ("size", "3")])
      $0.add("cut off")
      $0.addRaw(Array("pax".utf8))
      $0.add("last", [], size: [0x80] + [UInt8](repeating: 0, count: 11))
    }.tree
    #expect(tree.children(of: "") == ["a", "d", "last", "p", "pax"])
    #expect(try text(tree, "a/one") == "1")
    #expect(try text(tree, "a/two") == "22")
    #expect(try text(tree, "a/three") == "333")
    #expect(try text(tree, "p/q/four") == "4444")
    #expect(try text(tree, "a/signed\u{e9}") == "5")
    #expect(try text(tree, long) == "long")
    #expect(try text(tree, "pax/f") == "pax")
    #expect(try text(tree, "last") == "")
  }

  @Test func skipsGlobalHeadersAndUsesPaxSizes() throws {
    let tree = try open {
      $0.addRecords([("size", "3")])
      $0.add("a", [], size: TarBuilder.octal(0o77777777777, 11))
      $0.addRaw(Array("abc".utf8))
      $0.add("b", Array("de".utf8))
    }.tree
    #expect(try text(tree, "a") == "abc")
    #expect(try text(tree, "b") == "de")
  }

  @Test(arguments: ["1", "2", "3", "4", "6", "S", "V", "M", "D", "A", "\u{1b}"] as [Character])
  func refusesEverythingButFilesAndDirectories(_ type: Character) {
    refuses(.unsupported) { $0.add("a", type: type) }
  }

  @Test func refusesLongLinks() {
    refuses(.unsupported) {
      $0.add("././@LongLink", Array("target".utf8), type: "K")
      $0.add("a", type: "2")
    }
  }

  @Test(arguments: ["", "/a", "../a", "a/../b", "..", "a\\b"])
  func refusesDangerousPaths(_ path: String) {
    refuses { $0.add(path) }
    refuses {
      $0.addRecords([("path", path)])
      $0.add("safe")
    }
    refuses {
      $0.add("long", Array(path.utf8) + [0], type: "L")
      $0.add("safe")
    }
  }

  @Test func refusesPathsThatAreTakenTwice() {
    refuses {
      $0.add("a/b")
      $0.add("./a/b")
    }
    refuses {
      $0.add("a")
      $0.add("a/b")
    }
    refuses {
      $0.add("a/b")
      $0.add("a")
    }
    refuses {
      $0.add("a")
      $0.add("a/", type: "5")
    }
  }

  @Test func acceptsDirectoriesThatRepeat() throws {
    let tree = try open {
      $0.add("./", type: "5")
      $0.add("a/", type: "5")
      $0.add("a", type: "5")
      $0.add("a/b")
    }.tree
    #expect(tree.children(of: "") == ["a"])
  }

  @Test(arguments: [("a/B", "a/b"), ("\u{e9}", "e\u{301}"), ("\u{c9}", "e\u{301}")])
  func warnsOfNamesThatManyFileSystemsTakeForEqual(_ first: String, _ second: String) throws {
    let findings = try open {
      $0.add(first)
      $0.add(second)
    }.findings
    #expect(findings.map(\.check) == ["archive-name-collision"])
    #expect(findings.first?.severity == .warning)
  }

  @Test func refusesPaxRecordsThatReadersDisagreeAbout() {
    func refusesRecords(
      _ text: String, _ code: CheckpointError.Code = .malformed,
      _ location: SourceLocation = #_sourceLocation
    ) {
      refuses(code, location) {
        $0.add("pax", Array(text.utf8), type: "x")
        $0.add("a")
      }
    }
    refusesRecords("13 path=b/c\n")
    refusesRecords("10 path=b/c\n")
    refusesRecords("0011 path=b\n")
    refusesRecords("99999999999999999999 path=b\n")
    refusesRecords("10 path=b/")
    refusesRecords("9 pathb/c\n")
    refusesRecords("5 =b\n")
    refusesRecords("2 \n")
    refusesRecords("9 path=b\n9 path=c\n")
    refusesRecords("12 size=1 2\n")
    refusesRecords("9 size=1\n9 size=1\n")
    refusesRecords("11 size=-1\n")
    refusesRecords("22 GNU.sparse.major=1\n", .unsupported)
    refusesRecords("12 SCHILY.realsize=1\n")
    refusesRecords("21 SCHILY.realsize=1\n", .unsupported)
    refuses {
      $0.addRecords([("path", "b")], type: "g")
      $0.add("a")
    }
    refuses {
      $0.addRecords([("size", "2")])
      $0.add("a", [1, 2, 3])
    }
  }

  @Test func refusesExtendedHeadersWithoutOneMember() {
    refuses { $0.addRecords([("path", "b")]) }
    refuses {
      $0.addRecords([("path", "b")])
      $0.addRecords([("path", "b")])
      $0.add("a")
    }
    refuses {
      $0.add("long", Array("b".utf8), type: "L")
      $0.addRecords([("path", "c")])
      $0.add("a")
    }
    refuses(.unsupported) { $0.add("pax", type: "x", size: TarBuilder.octal(1 << 21, 11)) }
  }

  @Test func refusesImpossibleSizes() {
    refuses { $0.add("a", size: [UInt8](repeating: 0xff, count: 12)) }
    refuses { $0.add("a", size: [0x80] + [UInt8](repeating: 0xff, count: 11)) }
    refuses {
      $0.add("a", size: [0x80, 0, 0, 0, 0x7f] + [UInt8](repeating: 0xff, count: 7))
    }
    refuses { $0.add("a", size: Array("0000000008 ".utf8) + [0]) }
    refuses { $0.add("a/", [1], type: "5") }
    refuses { $0.add("a/", [1]) }
  }

  @Test func refusesEveryTruncationWithinAMember() throws {
    var builder = TarBuilder()
    builder.add("a", [1, 2, 3])
    let first = builder.bytes.count
    builder.add("b", [UInt8](repeating: 4, count: 600))
    let second = builder.bytes.count
    builder.end()
    for count in 0..<builder.bytes.count {
      let bytes = Array(builder.bytes.prefix(count))
      if [first, second].contains(count) || count >= second + 512 {
        #expect(try open(bytes).findings.map(\.check) == ["archive-no-end"])
      } else {
        #expect(throws: CheckpointError.self) { try open(bytes) }
      }
    }
  }

  @Test func refusesAZeroBlockBetweenMembers() {
    refuses {
      $0.add("a")
      $0.bytes += [UInt8](repeating: 0, count: 512)
      $0.add("b")
    }
  }

  @Test func warnsOfDataAfterTheEndAndRefusesALot() throws {
    func opened(_ trailer: [UInt8]) throws -> [String] {
      try open {
        $0.add("a")
        $0.end()
        $0.bytes += trailer
      }.findings.map(\.check)
    }
    #expect(try opened([]) == [])
    #expect(try opened([UInt8](repeating: 0, count: 10_000)) == [])
    #expect(try opened([0, 1]) == ["archive-trailing-data"])
    #expect(throws: CheckpointError.self) {
      try opened([UInt8](repeating: 0, count: 1 << 20 + 1))
    }
  }

  @Test func damageNeverCrashes() throws {
    var builder = TarBuilder()
    builder.addRecords([("path", "x/y"), ("size", "3")])
    builder.add("a", [1, 2, 3])
    builder.add("long", Array("b/c".utf8) + [0], type: "L")
    builder.add("b", [4])
    builder.end()
    var random = FixedRandom(seed: 5)
    for _ in 0..<2000 {
      let path = scratch.freshPath()
      try OutputFile(creating: path, byteCount: 0).write(at: 0, random.damaged(builder.bytes))
      defer { try? Directories.removeTree(path) }
      _ = try? openArchive(.file(InputFile(path: path)), displayName: "", spoolPath: "")
    }
  }
}
