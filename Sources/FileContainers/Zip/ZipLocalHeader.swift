import TensorModel

extension ZipDirectoryEntry {
  /// Where the entry's data lie.
  ///
  /// Local header and data descriptor (parts 1a and 1c of the layout) must repeat what the directory says.
  ///
  /// - Parameters:
  ///   - window: on the archive.
  ///   - end: where the next entry or the directory begins.
  /// - Returns: where the data begin as they are stored; they end before `end`.
  /// - Throws: `malformed`, `unsupported` or `inputOutput`.
  func dataOffset(
    _ window: inout ZipWindow, endingAt end: Int
  ) throws(CheckpointError) -> Int {
    let headerOffset = localHeaderOffset
    guard end - headerOffset >= 30 else { throw overlap(needs: 30, end) }
    let header = LittleEndianBytes(
      try window.bytes(at: headerOffset, count: 30), base: headerOffset)
    guard header.u32(0) == ZipSignature.localHeader else {
      throw mismatch(
        "signature", expected: hexadecimal(ZipSignature.localHeader),
        found: hexadecimal(header.u32(0)), at: headerOffset)
    }
    let (nameCount, extraCount) = (Int(header.u16(26)), Int(header.u16(28)))
    let available = end - headerOffset - 30
    guard nameCount + extraCount <= available else {
      throw overlap(needs: 30 + nameCount + extraCount, end)
    }
    let variable = try window.bytes(at: headerOffset + 30, count: nameCount + extraCount)
    try check(header, name: variable.prefix(nameCount), extra: variable.dropFirst(nameCount))

    let dataOffset = headerOffset + 30 + nameCount + extraCount
    guard compressedByteCount <= end - dataOffset else {
      throw overlap(needs: 30 + nameCount + extraCount, end)
    }
    let rest = end - dataOffset - compressedByteCount
    if flags & ZipFlags.hasDescriptor != 0 {
      try checkDescriptor(in: &window, at: dataOffset + compressedByteCount, byteCount: rest)
    } else if rest != 0 {
      throw CheckpointError(
        .malformed, "bytes in a zip archive that belong to no entry",
        byteOffset: dataOffset + compressedByteCount, expected: "the end of '\(name)'",
        found: "\(rest) other bytes",
        hint: "something else is hidden in this file; don't trust it")
    }
    return dataOffset
  }

  private func check(
    _ header: LittleEndianBytes, name: ArraySlice<UInt8>, extra: ArraySlice<UInt8>
  ) throws(CheckpointError) {
    let offset = header.base
    guard name.elementsEqual(self.name.utf8) else {
      throw mismatch(
        "name", expected: self.name, found: String(decoding: name, as: UTF8.self), at: offset)
    }
    let localFlags = header.u16(6)
    try Self.checkFlags(localFlags, self.name, at: offset)
    guard (localFlags ^ flags) & ZipFlags.hasDescriptor == 0 else {
      throw mismatch(
        "flags", expected: hexadecimal(UInt32(flags)), found: hexadecimal(UInt32(localFlags)),
        at: offset)
    }
    guard header.u16(8) == method.rawValue else {
      throw mismatch(
        "compression", expected: "\(method.rawValue)", found: "\(header.u16(8))", at: offset)
    }
    // Where the writer couldn't seek back, the header was written before the values were known: zeros, maybe as zip64.
    let wasUnknown = flags & ZipFlags.hasDescriptor != 0
    guard header.u32(14) == crc || (wasUnknown && header.u32(14) == 0) else {
      throw mismatch(
        "CRC-32", expected: hexadecimal(crc), found: hexadecimal(header.u32(14)), at: offset)
    }
    let fields = try ZipExtraFields(
      LittleEndianBytes(extra, base: offset + 30 + name.count), name: name)
    let sizes = try fields.resolve(
      SIMD4(header.u32(22), header.u32(18), 0, 0), count: 2, ownOffset: localHeaderOffset)
    guard
      sizes[0] == UInt64(byteCount) && sizes[1] == UInt64(compressedByteCount)
        || (wasUnknown && sizes[0] == 0 && sizes[1] == 0)
    else {
      throw mismatch(
        "sizes", expected: "\(byteCount) and \(compressedByteCount) stored",
        found: "\(sizes[0]) and \(sizes[1]) stored", at: offset)
    }
  }

  /// Its length tells its form: with or without signature, sizes of 4 or 8 bytes.
  private func checkDescriptor(
    in window: inout ZipWindow, at offset: Int, byteCount descriptorByteCount: Int
  ) throws(CheckpointError) {
    guard [12, 16, 20, 24].contains(descriptorByteCount) else {
      throw CheckpointError(
        .malformed, "zip entry '\(name)' isn't followed by its data descriptor",
        byteOffset: offset, expected: "12, 16, 20 or 24 bytes", found: "\(descriptorByteCount)")
    }
    let descriptor = LittleEndianBytes(
      try window.bytes(at: offset, count: descriptorByteCount), base: offset)
    let hasSignature = descriptorByteCount % 8 == 0
    let start = hasSignature ? 4 : 0
    let isWide = descriptorByteCount - start == 20
    let sizes =
      isWide
      ? [descriptor.u64(start + 4), descriptor.u64(start + 12)]
      : [UInt64(descriptor.u32(start + 4)), UInt64(descriptor.u32(start + 8))]
    guard !hasSignature || descriptor.u32(0) == ZipSignature.dataDescriptor,
      descriptor.u32(start) == crc, sizes == [UInt64(compressedByteCount), UInt64(byteCount)]
    else {
      throw mismatch(
        "data descriptor",
        expected: "CRC-32 \(hexadecimal(crc)), sizes \(compressedByteCount) and \(byteCount)",
        found: "CRC-32 \(hexadecimal(descriptor.u32(start))), sizes \(sizes[0]) and \(sizes[1])",
        at: offset)
    }
  }

  private func mismatch(
    _ what: String, expected: String, found: String, at offset: Int
  ) -> CheckpointError {
    CheckpointError(
      .malformed, "zip entry '\(name)': its \(what) in the file and in the directory disagree",
      byteOffset: offset, expected: expected, found: found,
      hint: "the archive was damaged or changed; get it again")
  }

  private func overlap(needs headerByteCount: Int, _ end: Int) -> CheckpointError {
    CheckpointError(
      .malformed, "zip entry '\(name)' overlaps what follows it", byteOffset: localHeaderOffset,
      expected: "\(headerByteCount) + \(compressedByteCount) bytes",
      found: "\(end - localHeaderOffset) before the next entry")
  }
}
