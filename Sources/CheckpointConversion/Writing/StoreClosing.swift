import CheckpointFormats
import FileContainers

/// What is written of a store when all else is there: the chunk table, and the manifest, which makes it complete.
enum StoreClosing {
  private static let folder = "\(StoreFormat.assetFolder)/"

  /// The place of the configuration, which the manifest has, too.
  static let configurationName = "\(folder)config.json"

  /// The files.
  ///
  /// - Parameters:
  ///   - manifest: complete but for the chunk table, the assets and the configuration.
  ///   - chunks: of the manifest's tensors.
  ///   - assets: the files in the folder of assets.
  ///   - configuration: what is in that of the configuration; nil if there is none.
  /// - Returns: names and contents, what makes the store complete last.
  static func files(
    _ manifest: StoreManifest, _ chunks: [[StoredChunk]], assets: [Certificate.AssetRecord],
    configuration: [UInt8]?
  ) -> [(name: String, contents: [UInt8])] {
    var manifest = manifest
    let table = ChunkTable.text(
      zip(manifest.tensors.map(\.name), chunks).map { ($0, $1) },
      isDifference: manifest.base != nil)
    manifest.chunkTable = .init(name: StoreFormat.chunkTableName, contents: table)
    manifest.assets = assets.map {
      .init(
        name: String($0.name.unicodeScalars.dropFirst(folder.unicodeScalars.count)),
        byteCount: $0.byteCount, digest: $0.digest)
    }
    if let configuration {
      manifest.configuration = StoreManifest.configuration(of: configuration)
    }
    return [(StoreFormat.chunkTableName, table), (StoreFormat.manifestName, manifest.text)]
  }
}
