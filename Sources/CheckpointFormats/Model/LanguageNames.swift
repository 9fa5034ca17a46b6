import ModelArchitectures
public import TensorModel

extension ModelContents {
  /// The family of the language model, of models that have other parts too; of others their own; nil if it isn't known.
  public var languageFamily: String? {
    sizes.map { $0.architecture.languageFamily ?? $0.architecture.name }
  }

  /// The names that the language model's tensors have where it is a model by itself, by those here; none for models without other parts.
  public var languageNames: [ExactName: ExactName] {
    guard let (architecture, dimensions) = sizes,
      let family = architecture.languageFamily.flatMap(Architectures.named)
    else { return [:] }
    var names: [ExactName: ExactName] = [:]
    for tensor in family.tensors(dimensions, spelling) + family.headTensors(dimensions) {
      guard let own = placed[tensor.place] else { continue }
      names[ExactName(own.name)] = ExactName(tensor.name)
    }
    return names
  }
}
