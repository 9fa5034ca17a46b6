import CHDF5
import TensorModel

// Texts as attributes of what is written, in UTF-8. `HDF5TextAttributes` reads those of others.
extension HDF5Attempt {
  /// Sets a text of variable length.
  func setVariableText(
    _ name: String, _ value: String, on object: HDF5Identifier
  ) throws(CheckpointError) {
    let type = try own(H5Tcopy(wb_h5_c_string()), H5Tclose)
    try check(H5Tset_size(type.value, wb_h5_variable_size()))
    try check(H5Tset_cset(type.value, H5T_CSET_UTF8))
    let space = try own(H5Screate(H5S_SCALAR), H5Sclose)
    let attribute = try own(
      H5Acreate2(object.value, name, type.value, space.value, wb_h5_default(), wb_h5_default()),
      H5Aclose)
    let status = value.withCString { text in
      withUnsafePointer(to: text) { H5Awrite(attribute.value, type.value, $0) }
    }
    try check(status)
  }

  /// Sets a text of fixed length.
  ///
  /// One NUL is added: without it, texts that end with NULs and the empty one couldn't be told apart.
  func setFixedText(
    _ name: String, _ value: String, on object: HDF5Identifier
  ) throws(CheckpointError) {
    let bytes = Array(value.utf8) + [0]
    let type = try own(H5Tcopy(wb_h5_c_string()), H5Tclose)
    try check(H5Tset_size(type.value, bytes.count))
    try check(H5Tset_cset(type.value, H5T_CSET_UTF8))
    try check(H5Tset_strpad(type.value, H5T_STR_NULLTERM))
    let space = try own(H5Screate(H5S_SCALAR), H5Sclose)
    let attribute = try own(
      H5Acreate2(object.value, name, type.value, space.value, wb_h5_default(), wb_h5_default()),
      H5Aclose)
    try check(H5Awrite(attribute.value, type.value, bytes))
  }
}
