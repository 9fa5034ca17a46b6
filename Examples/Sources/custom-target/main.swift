import CheckpointConversion
import CheckpointFormats
import FileContainers
import TensorEvaluation
import TensorModel

// A format of one's own, a raw file for each tensor: custom-target MODEL DIRECTORY

/// Writes `NAME.f32` for each tensor: its values and nothing else.
enum RawFiles: ConversionTarget {
  static let format: any CheckpointFormat.Type = RawFormat.self

  static func plan(_ planner: Planner) throws(CheckpointError) -> ConversionPlan {
    var files: [ConversionPlan.WeightFile] = []
    var tensors: [ConversionPlan.PlannedTensor] = []
    for (number, output) in try planner.outputs().enumerated() {
      let geometry = output.type.geometry
      let layout = FileLayout(
        byteCount: geometry.rows * geometry.rowByteCount, frame: FileLayout.Frame(),
        places: [.init(byteOffset: 0)])
      files.append(.init(name: "\(output.name).f32", layout: layout))
      tensors.append(
        .init(
          name: output.name, type: output.type, expression: output.expression, file: number,
          place: layout.places[0]))
    }
    return try planner.plan(
      format: RawFormat.name, tensors: tensors, weightFiles: files, sidecars: [])
  }
}

/// Its name; nothing reads it back.
enum RawFormat: CheckpointFormat {
  static let name = "raw"
  static let summary = "a file of values for each tensor"
}

guard CommandLine.arguments.count == 3 else {
  print("usage: custom-target MODEL DIRECTORY")
  throw CancellationError()
}
var request = ConversionRequest(
  source: CommandLine.arguments[1], destination: CommandLine.arguments[2],
  openOptions: OpenOptions(), resources: EvaluationResources(memory: 256 << 20, threads: 2))
request.target = RawFiles.self
request.settings.dtype = .f32
let outcome = try ConversionJob(request).run(
  .init(willStart: { _, _, _ in }, report: { print($0) }, progress: { _ in }))
print("\(outcome.certificate.files.count) files, root \(outcome.certificate.root)")
