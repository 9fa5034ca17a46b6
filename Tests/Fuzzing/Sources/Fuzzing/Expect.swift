import Foundation

/// Ends the process, with a message that an optimised build's `precondition` wouldn't give, unless something holds.
public func expect(
  _ holds: Bool, _ message: @autoclosure () -> String = "doesn't hold",
  file: StaticString = #fileID,
  line: UInt = #line
) {
  if holds { return }
  say("==expectation== \(file):\(line): \(message())")
  fatalError()
}

/// Writes a line among libFuzzer's.
func say(_ line: String) { FileHandle.standardError.write(Data("\(line)\n".utf8)) }
