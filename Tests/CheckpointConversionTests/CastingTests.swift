import CheckpointConversion
import Foundation
import TensorModel
import TestSupport
import Testing

/// `--dtype` on numbers of every kind.
@Suite struct CastingTests {
  private let workspace: Workspace
  init() throws { workspace = try Workspace() }

  typealias Format = CastOracle.Format

  /// Bits of every kind of number: special ones, their neighbours, halfway cases of narrower formats, and random ones.
  static func samples(_ format: Format, seed: UInt64) -> [UInt64] {
    var random = SampleRandom(seed: seed)
    let mask = format.sign | (format.sign - 1)
    var bits: [UInt64] = [0, 1, 2, 3, format.infinity, format.infinity | 1, format.infinity - 1]
    bits += [format.infinity | format.quietBit, format.infinity | (format.quietBit - 1)]
    for other in CastOracle.all where other.byteCount <= format.byteCount {
      // Powers of two around the limits of the narrower format, and what lies just beside and halfway.
      for exponent in [
        1 - other.bias - other.fractionBits - 1, 1 - other.bias - other.fractionBits,
        1 - other.bias,
        0, other.bias,
      ] {
        let biased = exponent + format.bias
        guard biased > 0, biased < format.topExponent else { continue }
        let power = UInt64(biased) << UInt64(format.fractionBits)
        bits += [power - 1, power, power + 1]
        let cut = format.fractionBits - other.fractionBits
        guard cut > 0 else { continue }
        let half: UInt64 = 1 << UInt64(cut - 1)
        let full = UInt64(1) << UInt64(format.fractionBits) - 1
        for base in [power, power | 1 << UInt64(cut), power | full & ~(1 << UInt64(cut) - 1)] {
          bits += [base | half, base | (half - 1), (base | half) + 1]
        }
      }
    }
    bits += bits.map { $0 | format.sign }
    while bits.count < 400 {
      bits.append(random.next() & mask)
      // Exponents around 1, which random bits of wide formats hardly ever have.
      let fraction = random.next() & (1 << UInt64(format.fractionBits) - 1)
      let exponent = UInt64(max(0, format.bias + Int(random.next() % 64) - 40) & format.topExponent)
      bits.append(
        fraction | exponent << UInt64(format.fractionBits) | (random.next() & format.sign))
    }
    return bits.map { $0 & mask }
  }

  static func data(_ values: [UInt64], _ format: Format) -> Data {
    values.reduce(into: Data()) { data, value in
      withUnsafeBytes(of: value.littleEndian) { data += $0.prefix(format.byteCount) }
    }
  }

  @Test(arguments: [DType.f64, .f32, .f16, .bf16])
  func everyCastRoundsToNearestEvenOnce(to dtype: DType) throws {
    let to = try #require(CastOracle.all.first { $0.description == dtype.rawValue })
    let samples = CastOracle.all.map { Self.samples($0, seed: UInt64($0.byteCount)) }
    let tensors = zip(CastOracle.all, samples).map { format, values in
      SampleTensor(
        "from.\(format)", format.description, [values.count], Self.data(values, format))
    }
    let source = try workspace.write("in.safetensors", SafetensorsSample(tensors).fileContents)
    let outcome = try convert(source, workspace.path("out"), dtype: dtype) {
      $0.settings.allowOverflow = true
    }
    let written = try SafetensorsSample(folder: workspace.path("out"))
    for (from, values) in zip(CastOracle.all, samples) {
      let record = try #require(
        outcome.certificate.tensors.first { $0.name == "from.\(from)" })
      let tensor = try #require(written["from.\(from)"])
      #expect(tensor.dtype == dtype.rawValue)
      if from == to {
        // No cast: signalling NaNs stay as they are.
        #expect(tensor.data == Self.data(values, from))
        #expect(record.exactness == .exact)
        continue
      }
      let expected = values.map { CastOracle.round($0, from, to: to) }
      let found = Self.values(tensor.data, to)
      for (place, (value, outcome)) in zip(values, expected).enumerated()
      where found[place] != outcome.bits {
        Issue.record(
          "\(from) \(String(value, radix: 16)) gave \(String(found[place], radix: 16)), not \(String(outcome.bits, radix: 16)) of \(to)"
        )
      }
      #expect(record.overflowCount == expected.count { $0.isOverflow })
      #expect((record.exactness == .exact) == expected.allSatisfy(\.isExact))
      #expect(record.largestErrorUlp <= 0.5)
    }
  }

  private static func values(_ data: Data, _ format: Format) -> [UInt64] {
    let bytes = [UInt8](data)
    return stride(from: 0, to: bytes.count, by: format.byteCount).map { start in
      bytes[start..<start + format.byteCount].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
  }

  @Test func onlyFloatsOf16BitsAndMoreAreCast() throws {
    var random = SampleRandom(seed: 6)
    // Blocks stand for values, which are cast; GGUFReadingTests have them.
    let others = DType.allCases.filter { !$0.hasFloatValues }
    var tensors = others.map { dtype in
      SampleTensor(
        "t.\(dtype.rawValue)", dtype.rawValue, [4, 8],
        random.bytes(dtype.byteCount(elementCount: 32) ?? 0))
    }
    tensors.append(SampleTensor("scalar", [], floats: [0.1]))
    tensors.append(SampleTensor("empty", "F32", [3, 0], Data()))
    // Widest first, as a file must have them.
    tensors.sort { ($1.data.count, $0.name) < ($0.data.count, $1.name) }
    let source = try workspace.write("in.safetensors", SafetensorsSample(tensors).fileContents)
    for dtype in [DType.bf16, .f16, .f32] {
      let outcome = try convert(source, workspace.path(dtype.rawValue), dtype: dtype)
      let written = try SafetensorsSample(folder: workspace.path(dtype.rawValue))
      #expect(written.tensors.count == tensors.count)
      for tensor in tensors where tensor.dtype != "F32" {
        #expect(written[tensor.name] == tensor)
        let record = outcome.certificate.tensors.first { $0.name == tensor.name }
        #expect(record?.exactness == .exact)
        #expect(record?.expression == tensor.name)
      }
      #expect(written["scalar"]?.dtype == dtype.rawValue)
      #expect(written["scalar"]?.shape == [])
      #expect(written["empty"] == SampleTensor("empty", dtype.rawValue, [3, 0], Data()))
    }
  }

  /// 0.1 in F32 is 0x3dcccccd; BF16's neighbours are 0x3dcc and 0x3dcd, of which the upper is 0x3333 / 0x10000 away.
  @Test func largestErrorIsMeasuredInSpacingsOfTheOutput() throws {
    let sample = SafetensorsSample([SampleTensor("x", [2], floats: [1, 0.1])])
    let source = try workspace.write("in.safetensors", sample.fileContents)
    let tensor = try #require(
      convert(source, workspace.path("out"), dtype: .bf16).certificate.tensors.first)
    #expect(tensor.exactness == .rounded)
    #expect(tensor.largestErrorUlp == Double(0x3333) / 0x10000)
  }
}
