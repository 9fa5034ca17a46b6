import FileContainers
public import ModelArchitectures

extension HuggingFaceConfiguration {
  /// The text without what it says of codes, for values and for blocks that say themselves what they are.
  ///
  /// MXFP4 of families that publish it is left: planning sets it by what is written.
  public var ofValues: [UInt8] {
    let isOwn =
      architecture?.spellings.contains(.mxfp4) == true
      && document["quantization_config"]?["quant_method"]?.text == MXFP4Blocks.method
    return removing(
      QuantizedWeights.configurationKeys.filter { !isOwn || $0 != "quantization_config" })
  }
}
