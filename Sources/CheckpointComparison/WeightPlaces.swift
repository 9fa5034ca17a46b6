import CheckpointFormats
import ModelArchitectures
import TensorModel

/// Where the weights of compared models are, by their names.
struct WeightPlaces {
  private let known: [(model: ModelContents, places: [ExactName: DecoderPlace])]

  /// Those of some models: where one doesn't know a name, the next may.
  ///
  /// - Parameters:
  ///   - models: of any family, or none.
  ///   - spelling: that experts are compared in; nil for their own.
  init(_ models: [ModelContents], _ spelling: Architecture.ExpertSpelling?) {
    known = models.map { model in
      var places: [ExactName: DecoderPlace] = [:]
      for (place, tensor) in model.placed { places[ExactName(tensor.name)] = place }
      if let spelling, let (architecture, dimensions) = model.sizes {
        for tensor in architecture.tensors(dimensions, spelling) {
          places[ExactName(tensor.name)] = tensor.place
        }
      }
      return (model, places)
    }
  }

  /// Of a tensor, by its canonical name.
  subscript(name: String) -> WeightPlace {
    for (model, places) in known {
      let place = places[ExactName(name)] ?? places[model.fullName(of: name)]
      if let place { return WeightPlace(place) }
    }
    return WeightPlace(named: name)
  }
}
