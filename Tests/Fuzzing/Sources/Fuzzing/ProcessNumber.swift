import Foundation

/// This process among others that fuzz at the same time.
enum ProcessNumber {
  static let own = ProcessInfo.processInfo.processIdentifier
}
