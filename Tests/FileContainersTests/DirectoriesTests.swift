import FileContainers
import TensorModel
import TestSupport
import Testing

/// Paths are cut where the system cuts them: at every byte that is a slash, whatever character Swift makes of it and what follows.
@Suite struct DirectoriesTests {
  @Test(arguments: [
    ("a", ".", "a"), ("a/b", "a", "b"), ("a/b/", "a", "b"), ("/a", "/", "a"), ("/", "/", ""),
    ("a/\u{301}b", "a", "\u{301}b"), ("a/\u{301}/c", "a/\u{301}", "c"),
    ("a/\u{200d}", "a", "\u{200d}"),
  ])
  func splitsAtTheLastSlash(_ path: String, _ parent: String, _ name: String) {
    let parts = Directories.split(path)
    #expect(ExactName(parts.parent) == ExactName(parent))
    #expect(ExactName(parts.name) == ExactName(name))
  }

  @Test func findsTopLevelNamesBeforeAnySlash() {
    let names = ["assets/\u{301}x", "b", "assets/y"]
    #expect(Directories.topLevel(names) == ["b", "assets"])
  }

  @Test func createsTheFoldersBeforeAnySlash() throws {
    let workspace = try Workspace()
    try Directories.createParents(of: "a/\u{301}b/\u{301}c", in: workspace.path)
    #expect(workspace.names() == ["a"])
    #expect(workspace.names(in: "a").map { ExactName($0) } == ["\u{301}b"])
  }
}
