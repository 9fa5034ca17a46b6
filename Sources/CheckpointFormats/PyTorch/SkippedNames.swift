/// Names of Python's objects that training programs keep beside weights, and that can be passed over without running anything.
///
/// Exact pairs of module and name, as in `TorchGlobal`: settings, paths, dates, numbers of numpy's, states of random number generators.
enum SkippedNames {
  /// What a module's attribute is, if it is on the list.
  static func global(module: String, name: String) -> TorchGlobal? {
    table["\(module) \(name)"]
  }

  /// What numpy's arrays are called here, however a pickle makes them.
  static let array = "numpy.ndarray"
  /// Objects whose state is a dict of what they were given.
  static let namespaces: Set<String> = ["argparse.Namespace", "types.SimpleNamespace"]

  private static let table: [String: TorchGlobal] = {
    var table: [String: TorchGlobal] = [:]
    for (modules, names) in skipped {
      for module in modules {
        for name in names { table["\(module) \(name)"] = .skipped("\(module).\(name)") }
      }
    }
    for module in ["numpy.core", "numpy._core"] {
      table["\(module).multiarray _reconstruct"] = .skipped(array)
      table["\(module).numeric _frombuffer"] = .skipped(array)
    }
    for (module, names) in types {
      for name in names { table["\(module) \(name)"] = .type }
    }
    for (name, global) in containers { table[name] = global }
    return table
  }()

  private static let skipped: [(modules: [String], names: [String])] = [
    (["argparse"], ["Namespace"]),
    (["types"], ["SimpleNamespace"]),
    // `_local` since Python 3.13.
    (
      ["pathlib", "pathlib._local"],
      ["PurePath", "PurePosixPath", "PureWindowsPath", "Path", "PosixPath", "WindowsPath"]
    ),
    (["datetime"], ["datetime", "date", "time", "timedelta", "timezone"]),
    (["decimal"], ["Decimal"]), (["fractions"], ["Fraction"]), (["uuid"], ["UUID"]),
    (["builtins"], ["slice", "range", "xrange"]),
    (["torch.torch_version"], ["TorchVersion"]),
    // `_core` since numpy 2.
    (["numpy.core.multiarray", "numpy._core.multiarray"], ["scalar"]),
    (["numpy"], ["dtype", "ndarray"]),
    (
      ["numpy.random._pickle", "numpy.random"],
      ["__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor"]
    ),
    (["numpy.random._mt19937"], ["MT19937"]), (["numpy.random._pcg64"], ["PCG64", "PCG64DXSM"]),
    (["numpy.random._philox"], ["Philox"]), (["numpy.random._sfc64"], ["SFC64"]),
    (["numpy.random.bit_generator"], ["SeedSequence", "__pyx_unpickle_SeedSequence"]),
    (["omegaconf.dictconfig"], ["DictConfig"]), (["omegaconf.listconfig"], ["ListConfig"]),
    (["omegaconf.base"], ["ContainerMetadata", "Metadata"]),
    (
      ["omegaconf.nodes"],
      [
        "AnyNode", "StringNode", "IntegerNode", "FloatNode", "BooleanNode", "BytesNode", "PathNode",
      ]
    ),
  ]

  /// Classes that are only mentioned, as values or as what a `defaultdict` makes.
  private static let types: [(module: String, names: [String])] = [
    (
      "builtins",
      [
        "bool", "bytes", "dict", "float", "int", "list", "long", "object", "str", "tuple",
        "unicode",
      ]
    ),
    ("typing", ["Any"]),
    (
      "numpy",
      [
        "bool_", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8",
        "uint16", "uint32", "uint64",
      ]
    ),
    ("pytorch_lightning.callbacks.model_checkpoint", ["ModelCheckpoint"]),
    ("pytorch_lightning.callbacks.early_stopping", ["EarlyStopping"]),
  ]

  private static let containers: [String: TorchGlobal] = [
    "collections defaultdict": .mapping,
    "pytorch_lightning.utilities.parsing AttributeDict": .mapping,
    "lightning.fabric.utilities.data AttributeDict": .mapping,
    "lightning_fabric.utilities.data AttributeDict": .mapping,
    "collections deque": .sequence,
    "builtins set": .sequence,
    "builtins frozenset": .sequence,
  ]
}
