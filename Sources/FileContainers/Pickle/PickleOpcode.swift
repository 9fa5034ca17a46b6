// The opcodes of Python's pickle that files of tensors are made of (https://docs.python.org/3/library/pickletools.html):
// those of `torch.save`, which writes protocol 2, and of protocols 3 to 5, which it can be told to write.

/// An instruction of the pickle machine.
///
/// What isn't listed is refused: old opcodes that make objects of classes (INST, OBJ), the extension registry, and everything that moves the
/// stack without building a value, by which scanners have been misled.
enum PickleOpcode: UInt8 {
  // The machine.
  case proto = 0x80
  case stop = 0x2e
  case frame = 0x95
  case mark = 0x28

  // Values.
  case none = 0x4e
  case newTrue = 0x88
  case newFalse = 0x89
  case binInt = 0x4a
  case binInt1 = 0x4b
  case binInt2 = 0x4d
  case long1 = 0x8a
  case binFloat = 0x47
  case binUnicode = 0x58
  case shortBinUnicode = 0x8c
  case binString = 0x54
  case shortBinString = 0x55
  case binBytes = 0x42
  case shortBinBytes = 0x43

  // Containers.
  case emptyTuple = 0x29
  case tuple = 0x74
  case tuple1 = 0x85
  case tuple2 = 0x86
  case tuple3 = 0x87
  case emptyList = 0x5d
  case append = 0x61
  case appends = 0x65
  case emptyDict = 0x7d
  case setItem = 0x73
  case setItems = 0x75
  case emptySet = 0x8f
  case addItems = 0x90
  case frozenSet = 0x91

  // The memo.
  case binPut = 0x71
  case longBinPut = 0x72
  case memoize = 0x94
  case binGet = 0x68
  case longBinGet = 0x6a

  // What Python would import and call, and we look up in a list.
  case global = 0x63
  case stackGlobal = 0x93
  case reduce = 0x52
  case newObject = 0x81
  case build = 0x62
  case binPersistentID = 0x51

  /// The names of opcodes that are refused, for messages.
  static func name(of byte: UInt8) -> String {
    let refused: [UInt8: String] = [
      0x69: "INST", 0x6f: "OBJ", 0x92: "NEWOBJ_EX", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4",
      0x30: "POP", 0x31: "POP_MARK", 0x32: "DUP", 0x50: "PERSID", 0x8b: "LONG4", 0x49: "INT",
      0x4c: "LONG", 0x46: "FLOAT", 0x53: "STRING", 0x56: "UNICODE", 0x6c: "LIST", 0x64: "DICT",
      0x67: "GET", 0x70: "PUT", 0x8d: "BINUNICODE8", 0x8e: "BINBYTES8", 0x96: "BYTEARRAY8",
      0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
    ]
    return refused[byte] ?? "0x\(String(byte, radix: 16))"
  }
}
