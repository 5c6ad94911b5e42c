using System.Text.Json;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Network;

/// <summary>A real 260 K-parameter Llama: published greedy text, logits and scores.</summary>
public sealed class StoriesTests
{
    [Fact]
    public void Logits_and_scores_match()
    {
        var folder = TestData.Require("oracles/stories260k");
        using var compute = new Compute(2);
        using var model = Transformer.Load(folder, compute);
        using var golden = Safetensors.Open(Path.Combine(folder, "golden_logits.safetensors"));
        var ids = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(golden.Bytes(golden.Tensors["input_ids"])).ToArray().Select(id => (int)id).ToArray();
        var expected = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(golden.Bytes(golden.Tensors["logits"])).ToArray();
        Golden.AssertClose(expected, Sequences.AllLogits(model, ids, adapter: null), 1e-4, "logits");

        using var pass = new TrainingPass(model);
        foreach (var line in File.ReadLines(Path.Combine(folder, "scores.jsonl")))
        {
            using var score = JsonDocument.Parse(line);
            var tokens = score.RootElement.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
            var loss = pass.Evaluate(new TrainingBatch(tokens, [.. tokens.Skip(1), TrainingBatch.NoLabel], [0, tokens.Length]), (LoraWeights?)null);
            Assert.Equal(score.RootElement.GetProperty("sum_logprob").GetDouble(), -loss, 1e-3);
        }
    }

    [Fact]
    public void Greedy_text_matches()
    {
        var folder = TestData.Require("oracles/stories260k");
        using var compute = new Compute(2);
        using var model = Transformer.Load(folder, compute);
        using var golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "golden.json")));
        foreach (var generation in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            var prompt = generation.GetProperty("prompt_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
            var ids = generation.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
            Assert.Equal(ids[prompt.Length..], Sequences.Greedy(model, prompt, ids.Length - prompt.Length, adapter: null));
        }
    }
}
