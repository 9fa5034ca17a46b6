// swift-tools-version: 6.3

import PackageDescription

/// The targets: `fuzz-NAME` is `Targets/NAME.swift`.
let names = [
  "Configuration", "DatasetCatalogue", "Flax", "GGUF", "Imatrix", "JSON", "Labels", "Mesh", "NPY",
  "NPZ",
  "PAX", "Pickle",
  "Quantized", "Safetensors", "SafetensorsIndex", "SentencePiece", "Signature", "Store", "Tar",
  "Tokenizer",
  "TensorFlow", "TorchStream",
  "YAML", "Zip", "Zstd",
]

let formats: Target.Dependency = .product(name: "CheckpointFormats", package: "weighbridge")

/// What every target of ours is compiled with.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .treatAllWarnings(as: .error),
]

let package = Package(
  name: "fuzzing",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "weighbridge", path: "../..")],
  targets: [
    .target(name: "CFuzzing", cSettings: [.unsafeFlags(["-fno-omit-frame-pointer"])]),
    .target(name: "Fuzzing", dependencies: ["CFuzzing", formats], swiftSettings: strict),
  ]
    + names.map { name in
      .executableTarget(
        name: "fuzz-\(name)",
        dependencies: [
          "Fuzzing", formats, .product(name: "Tokenization", package: "weighbridge"),
          .product(name: "Quantization", package: "weighbridge"),
          .product(name: "CheckpointComparison", package: "weighbridge"),
          .product(name: "CheckpointConversion", package: "weighbridge"),
          .product(name: "ModelSigning", package: "weighbridge"),
        ],
        path: "Targets", exclude: names.filter { $0 != name }.map { "\($0).swift" },
        swiftSettings: strict)
    },
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17
)
