using System.Text.Json.Nodes;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Lora;

/// <summary>Strict loading: every deviation from a plain LoRA adapter of this base model is refused by name.</summary>
public sealed class PeftFileTests : IDisposable
{
    private const string QueryA = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    private const string QueryB = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";

    private static readonly ModelConfig Config = ModelConfigFile.Read(Path.Combine(Golden, "model"));

    private readonly TemporaryFolder _folder = TestData.CreateFolder();

    private static string Golden => Path.Combine(AppContext.BaseDirectory, "Fixtures", "goldens", "llama");

    [Theory]
    [InlineData("peft_type", "\"IA3\"", "peft_type")]
    [InlineData("r", "0", "r = 0")]
    [InlineData("r", "4", "shape [8, 64]")]
    [InlineData("lora_alpha", "\"16\"", "lora_alpha")]
    [InlineData("bias", "\"all\"", "bias")]
    [InlineData("task_type", "\"SEQ_CLS\"", "task_type")]
    [InlineData("init_lora_weights", "\"pissa_niter_4\"", "init_lora_weights")]
    [InlineData("init_lora_weights", "\"olora\"", "init_lora_weights")]
    [InlineData("use_dora", "true", "use_dora")]
    [InlineData("lora_bias", "true", "lora_bias")]
    [InlineData("fan_in_fan_out", "true", "fan_in_fan_out")]
    [InlineData("modules_to_save", "[\"lm_head\"]", "modules_to_save")]
    [InlineData("layer_replication", "[[0,2]]", "layer_replication")]
    [InlineData("trainable_token_indices", "[1]", "trainable_token_indices")]
    [InlineData("some_new_field", "0.5", "some_new_field")]
    [InlineData("target_modules", "[\"q_proj\"]", "does not adapt")]
    [InlineData("target_modules", "[\"q_proj\",\"lm_head\"]", "lm_head")]
    [InlineData("target_modules", "[\"embed_tokens\"]", "embed_tokens")]
    [InlineData("target_modules", "[\"fc1\"]", "matches no module")]
    [InlineData("target_modules", "[]", "target_modules is missing")]
    [InlineData("target_modules", "\"(unclosed\"", "regular expression")]
    [InlineData("target_modules", "\"(([a-z.0-9_]+)+)+!\"", "takes too long")]
    [InlineData("rank_pattern", "{\"q_proj\":0}", "rank_pattern")]
    [InlineData("exclude_modules", "[\"v_proj\"]", "v_proj")]
    [InlineData("layers_to_transform", "[0,1]", "model.layers.2.")]
    public void Load_refuses_a_configuration_by_field(string field, string value, string message)
    {
        CopyAdapter();
        EditConfig(field, value);
        AssertRefused(message);
    }

    [Theory]
    [InlineData("some_new_field", "null")]
    [InlineData("some_new_field", "{}")]
    [InlineData("target_modules", "\"all-linear\"")]
    [InlineData("target_modules", "\".*_proj\"")]
    [InlineData("init_lora_weights", "\"gaussian\"")]
    [InlineData("layers_to_transform", "[0,1,2]")]
    public void Load_accepts_other_spellings_of_the_same_adapter(string field, string value)
    {
        CopyAdapter();
        var expected = Load().Generation;
        EditConfig(field, value);
        Assert.Equal(expected, Load().Generation);
    }

    [Fact]
    public void Load_refuses_foreign_and_missing_files()
    {
        AssertRefused("adapter_config.json");
        CopyAdapter();
        File.Move(Tensors, Path.Combine(_folder.Path, "adapter_model.bin"));
        AssertRefused("pickle");
        File.Delete(Path.Combine(_folder.Path, "adapter_model.bin"));
        AssertRefused("no adapter_model.safetensors");
        File.WriteAllText(Path.Combine(_folder.Path, "adapter_model-00001-of-00002.safetensors"), string.Empty);
        AssertRefused("sharded");
    }

    [Fact]
    public void Load_refuses_tensors_that_are_not_plain_lora_of_this_base()
    {
        AssertRefused("neither", tensors => tensors.Add(Tensor("base_model.model.model.embed_tokens.lora_embedding_A", 8, 128)));
        AssertRefused("neither", tensors => tensors.Add(Tensor("base_model.model.score.weight", 2, 64)));
        AssertRefused("neither", tensors => tensors.Add(Tensor("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", 1, 64)));
        AssertRefused("neither", tensors => tensors.Add(Tensor("base_model.model.model.layers.0.self_attn.q_proj.lora_B.bias", 1, 64)));
        AssertRefused("not a linear map", tensors => tensors.Add(Tensor("base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", 8, 64)));
        AssertRefused("not a linear map", tensors => tensors.Add(Tensor("base_model.model.lm_head.lora_A.weight", 8, 64)));
        AssertRefused($"no partner '{QueryB}'", tensors => tensors.RemoveAll(tensor => tensor.Name == QueryB));
        AssertRefused("is missing although", tensors => tensors.RemoveAll(tensor => tensor.Name is QueryA or QueryB));
        AssertRefused(QueryA, tensors => Replace(tensors, Tensor(QueryA, 8, 63)));
        AssertRefused(QueryB, tensors => Replace(tensors, Tensor(QueryB, 64, 9)));
    }

    [Fact]
    public void Load_refuses_values_that_are_not_finite()
    {
        CopyAdapter();
        var bytes = File.ReadAllBytes(Tensors);
        bytes.AsSpan(^4).Fill(0xFF);
        File.WriteAllBytes(Tensors, bytes);
        AssertRefused("NaN or infinity");
    }

    [Fact]
    public void Load_refuses_more_than_the_limits_allow()
    {
        CopyAdapter();
        AssertRefused("the limit is 7", new AdapterLimits(MaximumRank: 7));
        AssertRefused("the limit is 1000", new AdapterLimits(MaximumBytes: 1000));
    }

    [Fact]
    public void Load_refuses_companions_that_contradict_the_base()
    {
        CopyAdapter();
        File.WriteAllText(Path.Combine(_folder.Path, "manifest.json"), """{"base_fingerprint":"aa"}""");
        Assert.Throws<InvalidAdapterException>(() => PeftFile.Load(_folder.Path, Config, new AdapterLimits(), baseFingerprint: "bb"));
        PeftFile.Load(_folder.Path, Config, new AdapterLimits(), baseFingerprint: "aa").Dispose();
        File.WriteAllText(Path.Combine(_folder.Path, "added_tokens.json"), """{"<new>":128}""");
        AssertRefused("<new>");
    }

    [Theory]
    [InlineData("llama", "adapter", SavedType.F32)]
    [InlineData("llama", "adapter_rslora", SavedType.BF16)]
    [InlineData("qwen2", "adapter", SavedType.F32)]
    [InlineData("qwen2", "adapter_attention_only", SavedType.F32)]
    public void Save_then_load_keeps_the_generation(string variant, string name, SavedType type)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "Fixtures", "goldens", variant);
        var config = ModelConfigFile.Read(Path.Combine(folder, "model"));
        using var tensors = PeftFile.Read(Path.Combine(folder, name), config, new AdapterLimits());
        PeftFile.Save(_folder.Path, tensors, type);
        using var original = new LoraWeights(tensors);
        using var loaded = PeftFile.Load(_folder.Path, config, new AdapterLimits());
        Assert.Equal(original.Generation, loaded.Generation);
        Assert.Equal(64, loaded.Generation.Length);
        Assert.Equal(tensors.Factors.Max(factors => factors.Target.Rank), loaded.Rank);

        // PEFT's own file holds the same keys with the same values, except for the optional ones that stay at null.
        var before = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, name, "adapter_config.json")))!.AsObject();
        var after = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder.Path, "adapter_config.json")))!.AsObject();
        before["target_modules"] = new JsonArray([.. before["target_modules"]!.AsArray().Select(item => item!.GetValue<string>()).Order(StringComparer.Ordinal).Select(item => JsonValue.Create(item))]);
        Assert.All(after, field => Assert.True(JsonNode.DeepEquals(before[field.Key], field.Value), field.Key));
    }

    [Fact]
    public void Generation_depends_on_values_and_scale_only()
    {
        CopyAdapter();
        var original = Load().Generation;
        EditConfig("base_model_name_or_path", "\"elsewhere\"");
        Assert.Equal(original, Load().Generation);
        EditConfig("lora_alpha", "17");
        Assert.NotEqual(original, Load().Generation);
    }

    [Fact]
    public void Resolve_takes_the_first_matching_pattern()
    {
        var spec = LoraSpec.Create(8, 16, Projection.Query, Projection.Down) with
        {
            RankPattern = [new("layers\\.1\\..*", 2), new("q_proj", 4)],
            AlphaPattern = [new("model.layers.0.mlp.down_proj", 3)],
            UseRsLora = true,
        };
        var targets = spec.Resolve(Config).ToDictionary(target => target.Path, StringComparer.Ordinal);
        Assert.Equal(6, targets.Count);
        Assert.Equal(4, targets["model.layers.0.self_attn.q_proj"].Rank);
        Assert.Equal(2, targets["model.layers.1.self_attn.q_proj"].Rank);
        Assert.Equal(8, targets["model.layers.2.mlp.down_proj"].Rank);
        Assert.Equal((float)(3 / Math.Sqrt(8)), targets["model.layers.0.mlp.down_proj"].Scale);
    }

    [Fact]
    public void Create_starts_within_the_bound_and_depends_on_the_seed_only()
    {
        var spec = LoraSpec.Create(4, 8, [.. Projections.All]);
        using var first = LoraParameters.Create(spec, Config, seed: 5);
        using var second = LoraParameters.Create(spec, Config, seed: 5);
        using var third = LoraParameters.Create(spec, Config, seed: 6);
        using var weights = first.ToLora();
        using var same = second.ToLora();
        using var other = third.ToLora();
        Assert.Equal(weights.Generation, same.Generation);
        Assert.NotEqual(weights.Generation, other.Generation);
        Assert.All(first.All[0].Value.Span.ToArray(), value => Assert.InRange(value, -1 / 8f, 1 / 8f));
        Assert.InRange(first.All[0].Value.Span.ToArray().Select(value => (double)value * value).Average(), 0.6 / 192, 1.4 / 192);
    }

    public void Dispose() => _folder.Dispose();

    private string Tensors => Path.Combine(_folder.Path, "adapter_model.safetensors");

    private static TensorToSave Tensor(string name, int rows, int columns) => new(name, [rows, columns], new Matrix(rows, columns));

    private static void Replace(List<TensorToSave> tensors, TensorToSave tensor)
    {
        tensors.RemoveAll(old => old.Name == tensor.Name);
        tensors.Add(tensor);
    }

    private void CopyAdapter()
    {
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Golden, "adapter")))
        {
            File.Copy(file, Path.Combine(_folder.Path, Path.GetFileName(file)), overwrite: true);
        }
    }

    private void EditConfig(string field, string value)
    {
        var path = Path.Combine(_folder.Path, "adapter_config.json");
        var node = JsonNode.Parse(File.ReadAllText(path))!;
        node[field] = JsonNode.Parse(value);
        File.WriteAllText(path, node.ToJsonString());
    }

    private LoraWeights Load()
    {
        var adapter = PeftFile.Load(_folder.Path, Config, new AdapterLimits());
        adapter.Dispose();
        return adapter;
    }

    private void AssertRefused(string message, AdapterLimits? limits = null)
    {
        var exception = Assert.Throws<InvalidAdapterException>(() => PeftFile.Load(_folder.Path, Config, limits ?? new AdapterLimits()));
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    private void AssertRefused(string message, Action<List<TensorToSave>> edit)
    {
        CopyAdapter();
        using var tensors = PeftFile.Read(_folder.Path, Config, new AdapterLimits());
        var list = tensors.Factors.SelectMany(factors => (TensorToSave[])
        [
            new(factors.Target.NameOfA, [factors.A.Rows, factors.A.Columns], factors.A),
            new(factors.Target.NameOfB, [factors.B.Rows, factors.B.Columns], factors.B),
        ]).ToList();
        edit(list);
        SafetensorsWriter.Write(Tensors, list, SavedType.F32);
        AssertRefused(message);
    }
}
