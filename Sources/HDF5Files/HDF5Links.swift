import CHDF5
import Foundation
import TensorModel

/// The links of a group, in the order of their names; none of them is followed.
///
/// Within `HDF5.exclusively`.
struct HDF5Links {
  /// A link's name, which may be anything, and whether it leads to an object of the same file.
  struct Link {
    let name: [UInt8]
    let isHard: Bool
    var text: String { String(decoding: name, as: UTF8.self) }
  }

  let all: [Link]

  private final class Found {
    var all: [Link] = []
    let limit: Int

    init(limit: Int) { self.limit = limit }
  }

  /// Lists them.
  ///
  /// - Throws: `malformed` if there are more than the limit, or libhdf5 can't tell.
  init(of group: hid_t, _ attempt: HDF5Attempt, limit: Int) throws(CheckpointError) {
    let found = Found(limit: limit)
    let result = withExtendedLifetime(found) {
      wb_h5_visit_links(
        group,
        { name, isHard, context in
          guard let name, let context else { return 0 }
          // Alive: `withExtendedLifetime` holds it.
          let found = Unmanaged<Found>.fromOpaque(context).takeUnretainedValue()
          if found.all.count >= found.limit { return 1 }
          let bytes = UnsafeRawBufferPointer(start: name, count: strlen(name))
          found.all.append(Link(name: Array(bytes), isHard: isHard))
          return 0
        }, Unmanaged.passUnretained(found).toOpaque())
    }
    guard try attempt.check(result) == 0 else {
      throw CheckpointError(
        .malformed, "too many links in a group", file: attempt.path, expected: "at most \(limit)")
    }
    all = found.all.sorted { $0.name.lexicographicallyPrecedes($1.name) }
  }
}
