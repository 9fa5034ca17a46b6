import ArgumentParser
import CheckpointConversion
import Quantization
import TensorModel

/// What `quantize` takes instead of a scheme: how large the result may be.
struct SizeTargetOptions: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Instead of a scheme: the most bytes of tensors. Every type is measured on every weight, and the types are chosen that make the error smallest.",
      valueName: "size"))
  var targetSize: ByteSize?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The same by bits of all tensors for each weight, such as 4.3.", valueName: "bits"))
  var targetBits: Double?

  @Option(
    help: ArgumentHelp(
      "With a target: preset takes the smallest scheme that is at least as large as the choice, where its error is smaller.",
      valueName: "what"))
  var fallback: FallbackChoice?

  @Option(
    help: ArgumentHelp(
      "With a target: what is written (default: by the destination's ending).",
      valueName: "format"), completion: .list(["gguf", "mlx", "compressed-tensors"]))
  var to: String?

  /// The target; nil without one.
  var target: SizeTarget? {
    targetSize.map { .byteCount($0.byteCount) } ?? targetBits.map { .bitsPerWeight($0) }
  }

  func validate() throws {
    if targetSize != nil && targetBits != nil {
      throw ValidationError("Give --target-size or --target-bits, not both.")
    }
    guard target != nil || (fallback == nil && to == nil) else {
      throw ValidationError("--fallback and --to need --target-size or --target-bits.")
    }
    if let bits = targetBits, !bits.isFinite || bits <= 0 {
      throw ValidationError("--target-bits must be a number of bits, and more than 0.")
    }
  }

  /// Which container is written.
  ///
  /// - Parameter destination: whose ending says it where no option does; nil if there is none.
  /// - Returns: the container.
  /// - Throws: `usage` where nothing says it.
  func container(_ destination: String?) throws(CheckpointError) -> QuantizationContainer {
    let isGGUF = destination?.lowercased().hasSuffix(".gguf") ?? false
    let format = to?.lowercased() ?? (isGGUF ? "gguf" : nil)
    if isGGUF, let format, let asked = QuantizationContainer(format: format),
      asked.title != QuantizationContainer(format: "gguf")?.title
    {
      throw CheckpointError(
        .usage, "--to and the destination's name say different formats", file: destination,
        expected: "--to gguf", found: format,
        hint: "leave out --to, or name a directory for \(asked.title)")
    }
    guard let format, let container = QuantizationContainer(format: format) else {
      throw CheckpointError(
        .usage,
        to == nil
          ? "a target for the size doesn't say which types there are"
          : "--to names no format with quantized types",
        expected: "--to gguf, mlx or compressed-tensors, or a destination that ends in .gguf",
        found: to ?? destination)
    }
    return container
  }
}

extension SizeTargetOptions {
  /// Types for the weights; nil without a target.
  ///
  /// - Parameters:
  ///   - quantization: what is asked for.
  ///   - request: of the conversion.
  ///   - progress: told of bytes that were measured.
  /// - Returns: the choice.
  /// - Throws: what choosing throws.
  func choice(
    _ quantization: QuantizationRequest, _ request: ConversionRequest, _ progress: WorkProgress
  ) throws(CheckpointError) -> SizeChoice? {
    guard let target else { return nil }
    guard request.source != "-" else {
      throw CheckpointError(
        .usage, "a target for the size needs the source twice, and standard input comes once",
        hint: "write the archive to a file first")
    }
    return try SizeChoice(
      target, quantization, ConversionJob(request), takesPreset: fallback == .preset, progress)
  }
}

/// What `--fallback` takes.
enum FallbackChoice: String, ExpressibleByArgument, CaseIterable {
  case preset
}
