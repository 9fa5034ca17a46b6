/// All ways that are known, those whose markers say more first.
enum QuantizedContainers {
  static let all: [any QuantizedContainer.Type] = [
    BitsAndBytesBlocks.self, BitsAndBytesRows.self, ScaledBlocksFP8.self, ModelOptNVFP4.self,
    CompressedTensors.self, ScaledFP8.self, AWQ.self, GPTQ.self, MLXGroups.self, MXFP4Blocks.self,
  ]
}
