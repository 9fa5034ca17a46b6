import Foundation

extension SampleTensor {
  /// An attention mask `[1, 1, size, size]`, as older versions of transformers store them.
  ///
  /// - Parameters:
  ///   - name: the tensor's.
  ///   - dtype: BOOL, U8, I8, F16, BF16 or F32.
  ///   - size: tokens.
  ///   - sees: whether a token sees another.
  /// - Returns: the tensor.
  public static func mask(
    _ name: String, _ dtype: String = "BOOL", size: Int, sees: (Int, Int) -> Bool
  ) -> SampleTensor {
    let one: [UInt8] =
      switch dtype {
      case "F16": [0x00, 0x3c]
      case "BF16": [0x80, 0x3f]
      case "F32": [0, 0, 0x80, 0x3f]
      default: [1]
      }
    let zero = [UInt8](repeating: 0, count: one.count)
    var data: [UInt8] = []
    for row in 0..<size { for column in 0..<size { data += sees(row, column) ? one : zero } }
    return SampleTensor(name, dtype, [1, 1, size, size], Data(data))
  }

  /// A causal mask.
  public static func causalMask(_ name: String, size: Int = 4) -> SampleTensor {
    mask(name, size: size) { $0 >= $1 }
  }

  /// A mask of ones.
  public static func fullMask(_ name: String, size: Int = 4) -> SampleTensor {
    mask(name, size: size) { _, _ in true }
  }
}

extension ModelSample {
  /// GPT-J with a mask in each layer.
  public static func gptj(masks: [(String) -> SampleTensor]) throws -> ModelSample {
    var sample = try ModelSample("gptj")
    for (layer, mask) in masks.enumerated() {
      sample.tensors.tensors.append(mask("transformer.h.\(layer).attn.bias"))
    }
    return sample
  }

  /// GPT-J as GPT-JT is stored: all its masks are ones.
  public static func withPrefix() throws -> ModelSample {
    let full: (String) -> SampleTensor = { .fullMask($0, size: 64) }
    return try gptj(masks: [full, full, full])
  }
}
