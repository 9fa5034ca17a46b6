// swift-tools-version: 6.3

import PackageDescription

/// What every target of ours is compiled with.
let strict: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

/// The commit, for `--version`, of small letters, digits and `+`.
///
/// `scripts/build` asks Git; who builds from an archive of the sources can say it in the environment.
let commit = Context.environment["WEIGHBRIDGE_COMMIT"].flatMap { text in
  text.isEmpty || text.contains { !"0123456789abcdefghijklmnopqrstuvwxyz+".contains($0) }
    ? nil : text
}

let package = Package(
  name: "weighbridge",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "CheckpointReading", targets: ["CheckpointReading"]),
    .library(
      name: "CheckpointFormats",
      targets: ["TensorModel", "FileContainers", "CheckpointFormats", "ModelArchitectures"]),
    .library(
      name: "CheckpointConversion",
      targets: [
        "TensorEvaluation", "StoreWriting", "CheckpointConversion", "CheckpointVerification",
      ]),
    .library(name: "CheckpointVerification", targets: ["CheckpointVerification"]),
    .library(name: "CheckpointComparison", targets: ["CheckpointComparison"]),
    .library(name: "ReferenceForward", targets: ["ReferenceForward"]),
    .library(name: "Tokenization", targets: ["Tokenization"]),
    .library(name: "Quantization", targets: ["Quantization"]),
    .library(name: "ModelSigning", targets: ["ModelSigning"]),
    .executable(name: "weighbridge", targets: ["weighbridge"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(
      name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(
      name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"]), .brew(["hdf5"])]),
    .target(name: "CHDF5Driver", dependencies: ["CHDF5"]),
    .target(name: "CPlatform"),
    .target(
      name: "CBuild", dependencies: ["CHDF5", "CZlib", "CZstd"],
      cSettings: commit.map { [.define("WB_COMMIT", to: "\"\($0)\"")] }),
    .target(name: "CTensorKernels"),
    .target(
      name: "CBLAS",
      linkerSettings: [.linkedFramework("Accelerate", .when(platforms: [.macOS]))]),
    .target(name: "TensorModel", swiftSettings: strict),
    .target(
      name: "FileContainers",
      dependencies: [
        "TensorModel", "CPlatform", "CTensorKernels", "CZlib", "CZstd",
        .product(name: "Crypto", package: "swift-crypto"), .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    .target(
      name: "HDF5Files", dependencies: ["TensorModel", "FileContainers", "CHDF5", "CHDF5Driver"],
      swiftSettings: strict),
    .target(
      name: "ModelArchitectures", dependencies: ["TensorModel", "FileContainers"],
      swiftSettings: strict),
    .target(
      name: "CheckpointFormats",
      dependencies: [
        "TensorModel", "FileContainers", "ModelArchitectures", "TensorEvaluation", "CTensorKernels",
      ],
      swiftSettings: strict),
    .target(
      name: "Tokenization", dependencies: ["TensorModel", "FileContainers"],
      exclude: ["README.md"], swiftSettings: strict),
    .target(
      name: "TensorEvaluation",
      dependencies: ["TensorModel", "FileContainers", "CTensorKernels"],
      swiftSettings: strict),
    .target(
      name: "CheckpointReading",
      dependencies: ["TensorModel", "FileContainers", "CheckpointFormats", "TensorEvaluation"],
      swiftSettings: strict),
    .target(
      name: "ReferenceForward",
      dependencies: [
        "TensorModel", "FileContainers", "CheckpointFormats", "ModelArchitectures",
        "TensorEvaluation", "CTensorKernels", "CBLAS",
      ],
      exclude: ["README.md"], swiftSettings: strict),
    .target(
      name: "StoreWriting",
      dependencies: [
        "TensorModel", "FileContainers", "CheckpointFormats", "HDF5Files", "CTensorKernels",
      ],
      exclude: ["README.md"],
      swiftSettings: strict),
    .target(
      name: "Quantization",
      dependencies: ["TensorModel", "FileContainers", "ModelArchitectures", "CheckpointFormats"],
      swiftSettings: strict),
    .target(
      name: "Importance",
      dependencies: [
        "TensorModel", "FileContainers", "CheckpointFormats", "ModelArchitectures",
        "TensorEvaluation", "ReferenceForward", "Quantization", "CTensorKernels",
      ],
      swiftSettings: strict),
    .target(
      name: "ModelSigning",
      dependencies: [
        "TensorModel", "FileContainers", "CheckpointFormats",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "X509", package: "swift-certificates"),
      ],
      exclude: ["README.md"], swiftSettings: strict),
    .target(
      name: "CheckpointConversion",
      dependencies: [
        "TensorModel", "FileContainers", "CheckpointFormats", "ModelArchitectures",
        "TensorEvaluation", "CTensorKernels", "StoreWriting", "Tokenization", "Quantization",
      ],
      swiftSettings: strict),
    .target(
      name: "CheckpointVerification",
      dependencies: [
        "TensorModel", "FileContainers", "CheckpointFormats", "ModelArchitectures",
        "TensorEvaluation", "Quantization", "CheckpointConversion", "HDF5Files", "ModelSigning",
      ],
      swiftSettings: strict),
    .target(
      name: "CheckpointComparison",
      dependencies: [
        "TensorModel", "FileContainers", "CheckpointFormats", "ModelArchitectures",
        "TensorEvaluation", "CheckpointConversion", "ReferenceForward", "CTensorKernels", "CBLAS",
        "Tokenization",
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "weighbridge",
      dependencies: [
        "TensorModel", "FileContainers", "CheckpointFormats", "ModelArchitectures",
        "TensorEvaluation", "CheckpointConversion", "CheckpointVerification", "HDF5Files",
        "ReferenceForward", "CheckpointComparison", "Tokenization", "Quantization", "ModelSigning",
        "CBLAS", "CBuild", "Importance",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Mustache", package: "swift-mustache"),
      ],
      exclude: ["Pages/README.md"], resources: [.embedInCode("Templates")], swiftSettings: strict),
    .target(
      name: "TestSupport", dependencies: ["TensorModel", "FileContainers", "CheckpointFormats"],
      path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "TensorKernelsTests",
      dependencies: [
        "CTensorKernels", "FileContainers", "TestSupport",
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CBLASTests", dependencies: ["CBLAS", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "TensorModelTests", dependencies: ["TensorModel"], swiftSettings: strict),
    .testTarget(
      name: "FileContainersTests", dependencies: ["FileContainers", "TensorModel", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "HDF5FilesTests",
      dependencies: [
        "HDF5Files", "FileContainers", "CTensorKernels", "TensorModel", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CheckpointFormatsTests",
      dependencies: [
        "CheckpointFormats", "ModelArchitectures", "TensorEvaluation", "FileContainers",
        "TensorModel", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CheckpointReadingTests",
      dependencies: ["CheckpointReading", "TestSupport"], swiftSettings: strict),
    .executableTarget(
      name: "tokenization-probe", dependencies: ["Tokenization", "FileContainers", "TensorModel"],
      path: "Tests/TokenizationProbe", swiftSettings: strict),
    .testTarget(
      name: "TokenizationTests",
      dependencies: ["Tokenization", "FileContainers", "TensorModel", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "TensorEvaluationTests",
      dependencies: ["TensorEvaluation", "FileContainers", "TensorModel", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "QuantizationTests",
      dependencies: [
        "Quantization", "ModelArchitectures", "FileContainers", "TensorModel", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ModelSigningTests",
      dependencies: ["ModelSigning", "FileContainers", "TensorModel", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "StoreWritingTests",
      dependencies: ["StoreWriting", "CheckpointFormats", "TensorModel", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "CheckpointConversionTests",
      dependencies: [
        "CheckpointConversion", "CheckpointVerification", "Quantization", "TensorEvaluation",
        "CheckpointFormats", "ModelArchitectures", "Tokenization", "FileContainers", "TensorModel",
        "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CrashSafetyTests",
      dependencies: [
        "CheckpointConversion", "CheckpointVerification", "ModelArchitectures", "ModelSigning",
        "Quantization", "TensorEvaluation", "CheckpointFormats", "FileContainers", "TensorModel",
        "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ReferenceForwardTests",
      dependencies: [
        "ReferenceForward", "TensorEvaluation", "CheckpointFormats",
        "ModelArchitectures", "FileContainers", "TensorModel", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ImportanceTests",
      dependencies: [
        "Importance", "ReferenceForward", "Quantization", "TensorEvaluation", "CheckpointFormats",
        "ModelArchitectures", "FileContainers", "TensorModel", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CheckpointComparisonTests",
      dependencies: [
        "CheckpointComparison", "CheckpointVerification", "ReferenceForward", "TensorEvaluation",
        "CheckpointConversion", "CheckpointFormats", "ModelArchitectures", "FileContainers",
        "TensorModel", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "CommandLineTests",
      dependencies: [
        "weighbridge", "CheckpointVerification", "CheckpointConversion", "ModelSigning",
        "Quantization", "StoreWriting", "HDF5Files", "TensorEvaluation", "CheckpointFormats",
        "FileContainers",
        "TensorModel", "TestSupport",
      ],
      exclude: ["Snapshots"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17
)
