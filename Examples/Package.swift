// swift-tools-version: 6.3

import PackageDescription

let package = Package(
  name: "examples",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "weighbridge", path: "..")],
  targets: [
    .executableTarget(
      name: "inspect-model",
      dependencies: [.product(name: "CheckpointReading", package: "weighbridge")]),
    .executableTarget(
      name: "average-checkpoints",
      dependencies: [.product(name: "CheckpointReading", package: "weighbridge")]),
    .executableTarget(
      name: "custom-target",
      dependencies: [
        .product(name: "CheckpointFormats", package: "weighbridge"),
        .product(name: "CheckpointConversion", package: "weighbridge"),
      ]),
  ],
  swiftLanguageModes: [.v6]
)
