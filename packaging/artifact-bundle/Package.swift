// swift-tools-version: 6.0

import PackageDescription

// A package that ships model weights, and checks them with the command that a release has for SwiftPM. In a package of your own, `path` is:
//   url: "https://github.com/OWNER/weighbridge/releases/download/v0.1.0/weighbridge-0.1.0.artifactbundle.zip", checksum: "…"
// with the checksum of SHA256SUMS.
let package = Package(
  name: "ModelWithWeights",
  products: [.plugin(name: "VerifyCheckpoints", targets: ["VerifyCheckpoints"])],
  targets: [
    .binaryTarget(name: "weighbridge", path: "weighbridge.artifactbundle"),
    .plugin(
      name: "VerifyCheckpoints",
      capability: .command(
        intent: .custom(
          verb: "verify-checkpoints", description: "Verify the checkpoints that are named")),
      dependencies: ["weighbridge"]),
  ]
)
