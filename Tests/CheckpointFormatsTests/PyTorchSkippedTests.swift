import CheckpointFormats
import FileContainers
import TensorModel
import TestSupport
import Testing

/// Objects that are skipped, in places where nobody's training program puts them.
@Suite struct PyTorchSkippedTests: TorchFileTests {
  let workspace: Workspace
  init() throws { workspace = try Workspace() }

  private let plain = TorchEntry(count: 6, [2, 3], strides: [3, 1])
  private static let namespace = Pickle.global("argparse", "Namespace") + [0x29, 0x81]
  private static let path = Pickle.call(Pickle.global("pathlib", "PosixPath"), Pickle.text("a"))
  private var namespace: [UInt8] { Self.namespace }
  private var path: [UInt8] { Self.path }

  private func archive(_ value: [UInt8]) -> [UInt8] {
    TorchSample(Pickle.file(value), [("0", [UInt8](0..<24))]).bytes
  }
  private func beside(_ value: [UInt8]) -> [UInt8] {
    archive(Pickle.dictionary([("w", plain.pickle()), ("x", value)]))
  }

  // MARK: Names

  /// Names that are near to those of the list, in modules that are on it and in others.
  @Test(
    arguments: [
      ("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"),
      ("builtins", "eval"), ("builtins", "getattr"), ("builtins", "type"),
      ("builtins", "__import__"), ("builtins", "open"), ("builtins", "map"), ("operator", "call"),
      ("functools", "partial"), ("types", "CodeType"), ("types", "FunctionType"),
      ("pathlib", "os.system"), ("pathlib", "os"), ("pathlib", "PosixPath.unlink"),
      ("pathlib", "posixpath"), ("pathlib ", "PosixPath"), ("PATHLIB", "PosixPath"),
      ("argparse", "_os"), ("argparse", "FileType"), ("datetime", "sys"), ("uuid", "_load"),
      ("collections", "namedtuple"), ("collections", "_sys"), ("numpy", "load"),
      ("numpy", "fromfile"), ("numpy.core.multiarray", "fromfile"), ("numpy", "memmap"),
      ("numpy.testing._private.utils", "runstring"), ("numpy.random", "mtrand"),
      ("omegaconf.omegaconf", "OmegaConf"), ("omegaconf.nodes", "EnumNode"), ("enum", "Enum"),
      ("copyreg", "_reconstructor"), ("torch", "load"), ("torch.hub", "load"),
      ("pytorch_lightning.callbacks.model_checkpoint", "os"), ("typing", "get_type_hints"),
    ])
  func anythingElseIsRefusedByName(_ module: String, _ name: String) {
    let weights = Pickle.dictionary([("w", plain.pickle())])
    for value in [
      Pickle.global(module, name),
      Pickle.call(Pickle.global(module, name), Pickle.text("true")),
      namespace + Pickle.dictionary([("f", Pickle.global(module, name))]) + [0x62],
      Pickle.call(
        Pickle.global("pathlib", "PosixPath"),
        Pickle.call(Pickle.global(module, name), Pickle.text("true"))),
      Pickle.call(Pickle.global("collections", "defaultdict"), Pickle.global(module, name)),
    ] {
      for whole in [
        Pickle.dictionary([("model", weights), ("args", value)]),
        Pickle.dictionary([("args", value), ("model", weights)]),
      ] {
        let error = #expect(throws: CheckpointError.self) { try open(archive(whole)) }
        #expect(error?.code == .unsupported && error?.found == "\(module).\(name)")
        #expect(error?.hint?.contains("nothing of it was run") == true)
      }
    }
  }

  // MARK: Wrong uses

  @Test(
    arguments: [
      (path + [0x29, 0x52], "an object of pathlib.PosixPath"),
      (path + [0x29, 0x81], "an object of pathlib.PosixPath"),
      (namespace + [0x29, 0x52], "an object of argparse.Namespace"),
      (
        Pickle.global("torch._tensor", "_rebuild_from_type_v2")
          + Pickle.tuple(path, Pickle.none, Pickle.tuple(), Pickle.none) + [0x52], nil
      ),
    ] as [([UInt8], String?)])
  func anObjectCanNotBeCalled(_ value: [UInt8], _ found: String?) {
    let error = #expect(throws: CheckpointError.self) { try open(beside(value)) }
    #expect(error?.code == .malformed && error?.found == found, "\(String(describing: error))")
  }

  @Test(
    arguments: [
      path, namespace, Pickle.global("pathlib", "PosixPath"), Pickle.global("builtins", "int"),
    ])
  func anObjectIsNoPartOfATensor(_ value: [UInt8]) {
    let rebuild = Pickle.global("torch._utils", "_rebuild_tensor_v2")
    let two = Pickle.integers([2])
    let one = Pickle.integers([1])
    for arguments in [
      [value, Pickle.integer(0), two, one], [plain.storage, value, two, one],
      [plain.storage, Pickle.integer(0), Pickle.tuple(value), one],
      [plain.storage, Pickle.integer(0), value, one],
    ] {
      let call = Pickle.call(rebuild, arguments.flatMap { $0 }, [0x89], Pickle.none)
      refuses(beside(call), "arguments that it doesn't take")
    }
    let parameter = Pickle.call(Pickle.global("torch._utils", "_rebuild_parameter"), value)
    refuses(beside(parameter), "arguments that it doesn't take")
    refuses(beside(Pickle.tuple(value) + [0x51]), "no storage")
    refuses(
      beside(Pickle.call(Pickle.global("torch", "Size"), value)), "arguments that it doesn't take")
  }

  @Test(
    arguments: [
      Pickle.call(Pickle.global("builtins", "int"), Pickle.integer(1)),
      Pickle.call(Pickle.global("builtins", "dict")),
      Pickle.global("builtins", "list") + [0x29, 0x81],
      Pickle.call(Pickle.global("collections", "defaultdict"), path),
      Pickle.call(Pickle.global("collections", "defaultdict"), Pickle.none, Pickle.none),
      Pickle.call(Pickle.global("collections", "deque"), Pickle.integer(1)),
      Pickle.call(Pickle.global("builtins", "set"), path),
      Pickle.global("pathlib", "PosixPath") + Pickle.none + [0x52],
      Pickle.global("argparse", "Namespace") + Pickle.none + [0x81],
      Pickle.call(
        Pickle.global("torch._utils", "_rebuild_meta_tensor_no_storage"), Pickle.none,
        Pickle.integers([2]), Pickle.integers([1]), [0x89]),
      Pickle.call(
        Pickle.global("torch._utils", "_rebuild_meta_tensor_no_storage"),
        Pickle.global("torch", "float32"), Pickle.integers([-2]), Pickle.integers([1]), [0x89]),
    ])
  func classesAreOnlyCalledAsPythonDoes(_ value: [UInt8]) {
    let error = #expect(throws: CheckpointError.self) { try open(beside(value)) }
    #expect(error?.code == .malformed && error?.byteOffset != nil)
  }

  @Test func anObjectIsNoContainer() {
    refuses(beside(namespace + Pickle.none + [0x61]), "no list")
    refuses(beside(namespace + Pickle.text("a") + plain.pickle() + [0x73]), "no dict")
  }

  /// The second state would hide what the first has.
  @Test func anObjectHasOneState() {
    let state = Pickle.dictionary([("a", plain.pickle())])
    refuses(beside(namespace + state + [0x62, 0x7d, 0x62]), "state of an object twice")
    refuses(beside(Pickle.global("argparse", "Namespace") + [0x7d, 0x62]), "state", .unsupported)
  }

  @Test func anObjectMayBeAKeyOfNoTensor() throws {
    let harmless = Pickle.dictionary([
      (key: path, value: Pickle.integer(2)), (key: Pickle.text("w"), value: plain.pickle()),
    ])
    #expect(try open(archive(harmless)).checkpoint.findings.map(\.check) == ["not-a-tensor"])
    refuses(
      archive(Pickle.dictionary([(key: path, value: plain.pickle())])), "no text", .unsupported)
    refuses(archive(path), "something other than a state dict", .unsupported)
  }

  // MARK: Sizes

  /// Namespaces in namespaces, objects in arguments: neither costs a stack.
  @Test func depthCostsNothing() throws {
    let count = 10_000
    let again = Pickle.recalled(0) + [0x29, 0x81, 0x7d] + Pickle.text("a")
    let heads =
      Pickle.remembered(Pickle.global("argparse", "Namespace"), at: 0) + again.dropFirst(2)
      + repeated(again, count - 1)
    let tails = repeated([0x73, 0x62], count)
    let nested = try open(beside(heads + Pickle.none + tails)).checkpoint.findings
    #expect(nested.last?.message.contains("argparse.Namespace ('x' and 9999 more)") == true)
    let hidden = try open(beside(heads + plain.pickle() + tails)).checkpoint.findings
    #expect(hidden.contains { $0.check == "tensors-left-out" })
    let known = Pickle.remembered(Pickle.global("pathlib", "PurePath"), at: 0)
    let head = known + repeated(Pickle.recalled(0), 19_999)
    let arguments = try open(
      beside(head + Pickle.text("a") + repeated([0x85, 0x52], 20_000))
    ).checkpoint.findings
    #expect(arguments.last?.message.contains("pathlib.PurePath ('x')") == true)
  }

  private func repeated(_ piece: [UInt8], _ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<count { bytes += piece }
    return bytes
  }

  @Test func circlesEnd() throws {
    let me =
      Pickle.remembered(namespace, at: 7) + Pickle.dictionary([("me", Pickle.recalled(7))]) + [0x62]
    let findings = try open(beside(me)).checkpoint.findings
    #expect(findings.last?.message.contains("argparse.Namespace ('x')") == true)
  }

  @Test func hugeStatesAreValuesLikeOthers() throws {
    let entries = (0..<5_000).flatMap { Pickle.text("key\($0)") + Pickle.integer($0) }
    let state = [0x7d] + Pickle.mark + entries + [0x75]
    #expect(throws: Never.self) { try open(beside(namespace + state + [0x62])) }
    let long = Pickle.string([UInt8](repeating: 0x61, count: 1 << 15))
    let scalar = Pickle.call(Pickle.global("numpy.core.multiarray", "scalar"), long, long)
    #expect(throws: Never.self) { try open(beside(scalar)) }
  }

  @Test func manyCopiesOfASetAreCounted() {
    let items = repeated(Pickle.none, 20_000)
    let list = Pickle.remembered([0x5d] + Pickle.mark + items + [0x65], at: 0)
    let set = Pickle.global("builtins", "set") + Pickle.recalled(0) + [0x85, 0x52]
    let sets = repeated(set, 2_000)
    refuses(beside(Pickle.mark + list + sets + [0x74]), "far more objects")
  }

  @Test func changedBytesNeverCrash() {
    let value = Pickle.dictionary([
      ("model", Pickle.dictionary([("a", plain.pickle())])), ("args", namespace + [0x7d, 0x62]),
      ("path", path), ("counts", Pickle.call(Pickle.global("collections", "defaultdict"))),
    ])
    let pickle = Pickle.file(value)
    var random = FixedRandom(seed: 9)
    for _ in 0..<600 {
      _ = try? open(TorchSample(random.damaged(pickle), [("0", [UInt8](0..<24))]).bytes)
    }
  }
}
