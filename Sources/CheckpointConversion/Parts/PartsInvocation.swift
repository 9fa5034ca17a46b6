/// How parts were asked for, which their plan doesn't say: what a report of the merge tells of it.
public struct PartsInvocation: Sendable, Codable, Hashable {
  /// What is converted, as the user has named it.
  public let source: String
  /// The command line, without the program's own name and without what tells one part from another.
  public let arguments: [String]
  /// What a target for the size should come to; nil where there was none.
  public let expectation: SizeExpectation?

  /// An invocation.
  public init(source: String, arguments: [String], expectation: SizeExpectation? = nil) {
    self.source = source
    self.arguments = arguments
    self.expectation = expectation
  }
}
