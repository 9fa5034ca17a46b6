import TensorModel

/// Everything that a file of tensors may name: exact pairs of module and name, as PyTorch's own `weights_only` loading has them.
///
/// What isn't here is refused, whatever its module: lists of what is dangerous have been got round again and again.
enum TorchGlobal: Hashable, Sendable {
  /// `collections.OrderedDict`, called without arguments or with pairs.
  case orderedDictionary
  /// `torch._utils._rebuild_tensor` and its successors.
  case rebuildTensor(TensorForm)
  /// `torch._utils._rebuild_parameter`, and with attributes.
  case rebuildParameter
  /// `torch._tensor._rebuild_from_type_v2`: a tensor with attributes, or of a subclass.
  case rebuildFromType
  /// `torch.nn.parameter.Parameter`.
  case parameter
  /// `torch.Tensor`.
  case tensor
  /// A class of storages; nil elements are untyped bytes.
  case storage(TorchElement)
  /// An element type.
  case element(TorchElement)
  /// `torch.Size`, a tuple.
  case size
  /// Something that has no tensors in it: devices, layouts, quantization schemes, bytes.
  case opaque
  /// Makes an object of Python's that is passed over, by its dotted name.
  case skipped(String)
  /// `collections.defaultdict`, and other dicts with conveniences.
  case mapping
  /// `collections.deque`, sets.
  case sequence
  /// A class that is mentioned and never called.
  case type
  /// Rebuilds a tensor that has no data.
  case rebuildMeta
  /// Rebuilds a tensor of a kind that isn't read, said in words.
  case unreadable(String)

  /// The arguments of a function that rebuilds a tensor.
  enum TensorForm: Hashable, Sendable {
    /// (storage, offset, size, stride)
    case v1
    /// (storage, offset, size, stride, requires_grad, backward_hooks[, metadata])
    case v2
    /// (storage, offset, size, stride, requires_grad, backward_hooks, dtype[, metadata])
    case v3
  }

  /// What a module's attribute is.
  ///
  /// - Throws: `unsupported` for anything that isn't on the list.
  init(module: String, name: String) throws(CheckpointError) {
    // Python 2 called it by another name.
    let module = module == "__builtin__" ? "builtins" : module
    if let known = Self.table["\(module) \(name)"] {
      self = known
    } else if let skipped = SkippedNames.global(module: module, name: name) {
      self = skipped
    } else if module == "torch", let element = TorchElement.stored(in: name) {
      self = .storage(element)
    } else if module == "torch", let element = TorchElement.named(name) {
      self = .element(element)
    } else {
      throw CheckpointError(
        .unsupported,
        "a Python object that no file of tensors needs",
        found: "\(module).\(name)",
        hint:
          "nothing of it was run. If you trust the file, load it in Python and save its state dict alone: torch.save(model.state_dict(), …), or as safetensors"
      )
    }
  }

  private static let table: [String: TorchGlobal] = [
    "collections OrderedDict": .orderedDictionary,
    "torch._utils _rebuild_tensor": .rebuildTensor(.v1),
    "torch._utils _rebuild_tensor_v2": .rebuildTensor(.v2),
    "torch._utils _rebuild_tensor_v3": .rebuildTensor(.v3),
    "torch._utils _rebuild_parameter": .rebuildParameter,
    "torch._utils _rebuild_parameter_with_state": .rebuildParameter,
    "torch._tensor _rebuild_from_type_v2": .rebuildFromType,
    "torch.nn.parameter Parameter": .parameter,
    "torch Tensor": .tensor,
    "torch.storage UntypedStorage": .storage(.untyped),
    "torch UntypedStorage": .storage(.untyped),
    "torch Size": .size,
    "torch device": .opaque,
    "torch.serialization _get_layout": .opaque,
    "torch per_tensor_affine": .opaque,
    "torch per_tensor_symmetric": .opaque,
    "torch per_channel_affine": .opaque,
    "torch per_channel_symmetric": .opaque,
    "torch per_channel_affine_float_qparams": .opaque,
    "_codecs encode": .opaque,
    "collections Counter": .opaque,
    "builtins complex": .opaque,
    "builtins bytearray": .opaque,
    "torch._utils _rebuild_qtensor": .unreadable("a quantized tensor"),
    "torch._utils _rebuild_sparse_tensor": .unreadable("a sparse tensor"),
    "torch._utils _rebuild_meta_tensor_no_storage": .rebuildMeta,
    "torch._utils _rebuild_nested_tensor": .unreadable("a nested tensor"),
    "torch._utils _rebuild_wrapper_subclass": .unreadable("a tensor of a subclass"),
    "torch._utils _rebuild_device_tensor_from_numpy": .unreadable("a tensor of a foreign device"),
    "torch._utils _rebuild_device_tensor_from_cpu_tensor": .unreadable(
      "a tensor of a foreign device"),
  ]
}
