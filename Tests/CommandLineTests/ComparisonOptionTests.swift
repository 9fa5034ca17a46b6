import Foundation
import TestSupport
import Testing

/// What `compare` lists, in which order, and when it is content.
@Suite struct ComparisonOptionTests {
  private static let first = fixture("comparison/first.safetensors")
  private static let second = fixture("comparison/second.safetensors")
  private static let gptj = fixture("huggingface/gptj")

  private func names(_ arguments: String...) throws -> [String] {
    let document = try Weighbridge.run(
      ["compare", Self.first, Self.second, "--json", "-q"] + arguments
    ).object
    let tensors = try #require(document["tensors"] as? [[String: Any]])
    return tensors.compactMap { $0["name"] as? String }
  }

  @Test func differencesAreSortedAndCutOff() throws {
    let all = try names()
    #expect(all.count == 14 && !all.contains("layers.1.same"))
    #expect(try names("--sort", "name") == all.sorted())
    for order in ["change", "max", "rms"] {
      #expect(try names("--sort", order).first == "layers.1.large", "\(order)")
    }
    #expect(try names("--sort", "change").last == "layers.1.double")
    #expect(try names("--sort", "elements").prefix(1) == ["layers.0.lora"])
    let ranks = try names("--sort", "rank", "--rank", "--top", "3")
    #expect(ranks == ["layers.0.full", "layers.1.alike", "layers.0.lost"])
    #expect(try names("--top", "0").isEmpty)
  }

  @Test func whatIsLeftOutIsCounted() throws {
    let document = try Weighbridge.run(
      "compare", Self.first, Self.second, "--json", "-q", "--top", "3"
    ).object
    #expect(document["left_out_count"] as? Int == 11)
    let counts = try #require(document["counts"] as? [String: Int])
    #expect(counts["identical"] == 1 && counts["values"] == 14 && counts["shape"] == 0)
    let text = try Weighbridge.run("compare", Self.first, Self.second, "--top", "3").text
    #expect(text.contains("… and 11 more; --top 14 lists all\n"))
    #expect(text.contains("ranks of changes weren't computed; --rank computes them\n"))
    #expect(text.hasSuffix("different: 14 of 15 tensors differ\n"))
  }

  @Test func ranksStandBesideTensorsAndGroups() throws {
    let text = try Weighbridge.run("compare", Self.first, Self.second, "--rank").text
    #expect(text.contains(/layers\.0\.lora: .*, rank 6\n/))
    #expect(text.contains(", rank not known: the tensor has 3 dimensions, a matrix 2\n"))
    #expect(text.contains(/(?m)^layers 0 +5 +0 % .* 3–23$/))
    let group = try Weighbridge.run("compare", Self.first, Self.second, "--rank", "--json").object
    let summary = try #require(group["summary"] as? [String: Any])
    #expect(summary["rank_reason"] == nil)
    let ranks = (summary["all"] as? [String: Any])?["ranks"] as? [String: Int]
    #expect(ranks?["maximum"] == 23 && ranks?["unknown_count"] == 1)
  }

  @Test func equalValuesAreFineIfThatIsWanted() throws {
    let workspace = try Workspace()
    let (half, wide) = (workspace.path("half.safetensors"), workspace.path("wide.safetensors"))
    #expect(try Weighbridge.run("convert", Self.gptj, half, "--dtype", "f16").code == 0)
    #expect(try Weighbridge.run("convert", half, wide, "--dtype", "f32").code == 0)
    let strict = try Weighbridge.run("compare", half, wide)
    #expect(strict.code == 1)
    #expect(
      strict.text.hasSuffix("equal values in other dtypes: 35 of 35 tensors differ in dtype only\n")
    )
    let content = try Weighbridge.run("compare", half, wide, "--equal-values")
    #expect(content.code == 0)
    #expect(
      content.text == """
        … and 35 tensors in other dtypes only
        equal values in other dtypes: 35 of 35 tensors differ in dtype only

        """)
    let document = try Weighbridge.run("compare", half, wide, "--equal-values", "--json").object
    #expect(document["verdict"] as? String == "equal_values")
    #expect(document["identical"] as? Bool == false)
    #expect((document["tensors"] as? [Any])?.isEmpty == true)
    #expect(document["left_out_count"] as? Int == 35)
    // Rounding is a difference all the same.
    #expect(try Weighbridge.run("compare", Self.gptj, half, "--equal-values").code == 1)
  }

  @Test func onlyChangesAreListedIfThatIsWanted() throws {
    let workspace = try Workspace()
    var sample = try ModelSample("gptj")
    sample.edit("transformer.h.1.attn.q_proj.weight") { $0[5] += 1 }
    sample.cast(to: "BF16")
    let tuned = try sample.write(workspace, "tuned")
    let outcome = try Weighbridge.run("compare", Self.gptj, tuned, "--changed-only", "--json", "-q")
    #expect(outcome.code == 1)
    let document = try outcome.object
    let tensors = try #require(document["tensors"] as? [[String: Any]])
    #expect(tensors.compactMap { $0["kind"] as? String } == ["attention query"])
    #expect(tensors.first?["layer"] as? Int == 1)
    #expect(document["left_out_count"] as? Int == 34)
    let summary = try #require(document["summary"] as? [String: Any])
    #expect((summary["kinds"] as? [Any])?.count == 1 && (summary["layers"] as? [Any])?.count == 1)
    let text = try Weighbridge.run("compare", Self.gptj, tuned, "--changed-only").text
    #expect(text.contains("… and 34 tensors in other dtypes only\n"))
    #expect(text.hasSuffix("\ndifferent: 1 of 35 tensors differs, 34 more in dtype only\n"))
  }

  @Test func verbsAgreeWithTheirNumbers() throws {
    let workspace = try Workspace()
    func file(_ name: String, _ values: [Float]) throws -> String {
      try workspace.write(
        "\(name).safetensors",
        SafetensorsSample([SampleTensor("a", [values.count], floats: values)]).fileContents)
    }
    let text = try Weighbridge.run("compare", file("one", [1, 2]), file("other", [1, 3])).text
    #expect(text.hasPrefix("a: 1 element differs, first at [1]; "))
    #expect(text.hasSuffix("\ndifferent: 1 of 1 tensor differs\n"))
    let reshaped = try Weighbridge.run("compare", file("two", [1, 2]), file("three", [1])).text
    #expect(reshaped.hasSuffix("different: 1 of 1 tensor differs\n"))
  }
}
