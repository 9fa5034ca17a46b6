import CBLAS
import CBuild
import CheckpointConversion

/// What `--version` prints: on its first line the version alone, then what the program was built of.
enum VersionText {
  /// All of it; the library for products of matrices is loaded, to say which it is.
  static var text: String {
    let lines = [Certificate.Tool.current.version] + [commit].compactMap(\.self)
    return (lines + libraries + ["matrix products: \(products)"]).joined(separator: "\n")
  }

  /// The commit that the program was built from; nil where that isn't known.
  static var commit: String? { wb_build_commit().map { "commit \(String(cString: $0))" } }

  /// What is linked, each with its version.
  static var libraries: [String] {
    let system = [
      ("HDF5", String(cString: wb_build_hdf5())), ("zlib", String(cString: wb_build_zlib())),
      ("zstd", String(cString: wb_build_zstd())),
    ]
    return (system + packages).map { "\($0) \($1)" }
  }

  /// What multiplies matrices, which is loaded to say which it is.
  static var products: String { String(cString: wb_blas_description()) }

  /// The packages that are linked, which can't be asked: what Package.resolved says.
  static let packages = [
    ("swift-argument-parser", "1.8.2"), ("swift-asn1", "1.7.4"), ("swift-certificates", "1.21.1"),
    ("swift-crypto", "4.5.2"), ("swift-mustache", "2.1.1"), ("yams", "6.2.2"),
  ]
}
