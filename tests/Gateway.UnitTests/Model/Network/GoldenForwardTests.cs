using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Network;

/// <summary>The forward pass against numbers of an independent float64 implementation.</summary>
public sealed class GoldenForwardTests
{
    public static TheoryData<string, string> Adapters => new()
    {
        { "llama", "base" },
        { "llama", "adapter" },
        { "llama", "adapter_rslora" },
        { "qwen2", "base" },
        { "qwen2", "adapter" },
        { "qwen2", "adapter_attention_only" },
    };

    [Theory]
    [MemberData(nameof(Adapters))]
    public void Logits_of_every_position_match(string variant, string adapterName)
    {
        using var golden = new Golden(variant);
        using var adapter = golden.Adapter(adapterName);
        var logits = golden.Ids("input_ids").SelectMany(tokens => Sequences.AllLogits(golden.Model, tokens, adapter)).ToArray();
        Golden.AssertClose(golden.Floats($"logits.{adapterName}"), logits, 1e-4, "logits");
    }

    [Theory]
    [MemberData(nameof(Adapters))]
    public void Greedy_continuations_match(string variant, string adapterName)
    {
        using var golden = new Golden(variant);
        using var adapter = golden.Adapter(adapterName);
        var greedy = golden.Numbers.GetProperty("greedy");
        var prompt = greedy.GetProperty("prompt_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
        var expected = greedy.GetProperty(adapterName).GetProperty("continuation").EnumerateArray().Select(id => id.GetInt32()).ToArray();
        Assert.Equal(expected, Sequences.Greedy(golden.Model, prompt, expected.Length, adapter));
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    public void Hidden_states_match_in_the_training_forward(string variant)
    {
        using var golden = new Golden(variant);
        using var pass = new TrainingPass(golden.Model);
        var ids = golden.Ids("input_ids");
        var tokens = ids.SelectMany(row => row).ToArray();
        pass.Evaluate(new TrainingBatch(tokens, [.. tokens.Select(_ => TrainingBatch.NoLabel)], [0, ids[0].Length, tokens.Length]), adapter: (LoraWeights?)null);
        for (var layer = 0; golden.Has($"hidden.{layer}"); layer++)
        {
            Golden.AssertClose(golden.Floats($"hidden.{layer}"), pass.Hidden(layer), 1e-4, $"hidden.{layer}");
        }
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    public void Both_spellings_of_the_configuration_are_one_model(string variant)
    {
        using var golden = new Golden(variant);
        using var folder = TestData.CreateFolder();
        foreach (var file in Directory.EnumerateFiles(Path.Combine(golden.Folder, "model")))
        {
            File.Copy(file, Path.Combine(folder.Path, Path.GetFileName(file)));
        }

        File.Copy(Path.Combine(golden.Folder, "config.rope_parameters.json"), Path.Combine(folder.Path, "config.json"), overwrite: true);
        using var other = Transformer.Load(folder.Path, golden.Compute);
        Assert.Equal(golden.Model.Fingerprint, other.Fingerprint);
        var tokens = golden.Ids("input_ids")[0];
        Assert.Equal(Sequences.AllLogits(golden.Model, tokens, adapter: null), Sequences.AllLogits(other, tokens, adapter: null));
    }
}
