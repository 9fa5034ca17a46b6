import CBLAS
import CBuild
import CheckpointConversion

/// What `--version` prints: on its first line the version alone, then what the program was built of.
enum VersionText {
  /// All of it; the library for products of matrices is loaded, to say which it is.
  static var text: String {
    var lines = [Certificate.Tool.current.version]
    if let commit = wb_build_commit() { lines.append("commit \(String(cString: commit))") }
    let libraries = [
      ("HDF5", String(cString: wb_build_hdf5())), ("zlib", String(cString: wb_build_zlib())),
      ("zstd", String(cString: wb_build_zstd())),
    ]
    lines += (libraries + packages).map { "\($0) \($1)" }
    lines.append("matrix products: \(String(cString: wb_blas_description()))")
    return lines.joined(separator: "\n")
  }

  /// The packages that are linked, which can't be asked: what Package.resolved says.
  static let packages = [
    ("swift-argument-parser", "1.8.2"), ("swift-asn1", "1.7.4"), ("swift-certificates", "1.21.1"),
    ("swift-crypto", "4.5.2"), ("swift-mustache", "2.1.1"), ("yams", "6.2.2"),
  ]
}
