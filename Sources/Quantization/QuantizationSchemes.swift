/// All schemes: a line for each container.
extension QuantizationScheme {
  /// The schemes in the order in which they are told to people.
  public static let families: [SchemeFamily] =
    ggufFamilies + mlxFamilies + compressedTensorsFamilies

  /// Every scheme.
  public static let all: [QuantizationScheme] = families.flatMap(\.schemes)
}
