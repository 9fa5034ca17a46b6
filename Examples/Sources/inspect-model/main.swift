import CheckpointReading

// What is in a model, whatever format it comes in: inspect-model MODEL

guard CommandLine.arguments.count == 2 else {
  print("usage: inspect-model MODEL")
  throw CancellationError()
}
let checkpoint = try Checkpoint.open(CommandLine.arguments[1])
print("\(checkpoint.contents.format), \(checkpoint.tensors.count) tensors")
for tensor in checkpoint.tensors.prefix(3) {
  let row = try checkpoint.floats(tensor.name, rows: 0..<1)
  print("\(tensor.name) \(tensor.dtype.rawValue) \(tensor.shape): \(row.prefix(3))")
}
