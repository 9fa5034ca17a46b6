import FileContainers
public import TensorModel

/// Whether the files beside the weights are what their names say: whoever loads the model reads them too.
public enum SidecarSoundness {
  /// Larger files are only looked at for what stands at their beginning.
  public static let maximumByteCount = 128 << 20

  /// Names of files without which a model's loader stops, beside those of tokenizers.
  private static let loadedNames = [
    "config.json", "generation_config.json", "adapter_config.json", "chat_template.json",
    "preprocessor_config.json", "processor_config.json", "modules.json",
  ]

  /// What is wrong with the files that go along.
  ///
  /// - Returns: errors for files that loaders read, warnings for others.
  /// - Throws: what reading throws.
  public static func findings(of checkpoint: Checkpoint) throws(CheckpointError) -> [Finding] {
    var findings: [Finding] = []
    for asset in checkpoint.assets {
      do throws(CheckpointError) {
        if let finding = try check(asset) { findings.append(finding) }
      } catch {
        if error.code.isTransient { throw error }
        let isLoaded = isLoaded(String(asset.name.split(separator: "/").last ?? ""))
        findings.append(
          Finding("sidecar-broken", error.in(file: asset.name)).with(isLoaded ? .error : .warning))
      }
    }
    return findings
  }

  /// Whether a model's loader reads a file of that name.
  public static func isLoaded(_ name: String) -> Bool {
    Checkpoint.Asset.tokenizerNames.contains(name) || loadedNames.contains(name)
      || name.hasSuffix(".safetensors") || name.hasSuffix(".index.json")
  }

  /// - Returns: what is strange about a file that loaders may do without.
  private static func check(_ asset: Checkpoint.Asset) throws(CheckpointError) -> Finding? {
    let contents = AssetBytes(asset: asset)
    if asset.name.hasSuffix(".json"), asset.byteCount <= maximumByteCount {
      let bytes = try asset.contents()
      if asset.name == TokenizerOutline.fileName {
        guard try TokenizerOutline(parsing: bytes, asset.name).hasModel else {
          return Finding(
            .warning, "sidecar-broken", "not a tokenizer: it has no 'model'", file: asset.name)
        }
      } else {
        try JSONFile.check(bytes, asset.name)
      }
    } else if let error = StandIn.error(head: try contents.head(512)), !isText(asset) {
      throw error
    } else if asset.name.hasSuffix(".safetensors") {
      _ = try SafetensorsHeader(contents)
    }
    return nil
  }

  /// Texts may be empty, and web pages.
  private static func isText(_ asset: Checkpoint.Asset) -> Bool {
    let isTokenizer = Checkpoint.Asset.tokenizerNames.contains(asset.name)
    return !isTokenizer && [".txt", ".jinja"].contains(where: asset.name.hasSuffix)
      || asset.name.hasPrefix("LICENSE")
  }
}

/// A file that goes along, as bytes.
private struct AssetBytes: RandomAccessBytes {
  let asset: Checkpoint.Asset

  var byteCount: Int { asset.byteCount }

  func read(
    at position: Int, into base: UnsafeMutableRawPointer, count: Int
  ) throws(CheckpointError) {
    let bytes = try asset.read(position, count)
    UnsafeMutableRawBufferPointer(start: base, count: count).copyBytes(from: bytes.prefix(count))
  }
}
