using System.Text.Json.Nodes;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Weights;

public sealed class CheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = TestData.CreateFolder();

    [Fact]
    public void Sharding_does_not_change_the_fingerprint_but_a_weight_does()
    {
        using var parameters = TransformerParameters.FromCheckpoint(Golden("llama"));
        parameters.Save(_folder.Path, SavedType.F32);
        Assert.Equal(Fingerprint(Golden("llama")), Fingerprint(_folder.Path));
        parameters.All[^1].Value.Span[0] += 0.5f;
        parameters.Save(_folder.Path, SavedType.F32);
        Assert.NotEqual(Fingerprint(Golden("llama")), Fingerprint(_folder.Path));
    }

    [Fact]
    public void Saved_bf16_checkpoint_has_the_fingerprint_of_its_bf16_source()
    {
        using var parameters = TransformerParameters.FromCheckpoint(Golden("qwen2"));
        parameters.Save(_folder.Path, SavedType.BF16);
        Assert.Equal(Fingerprint(Golden("qwen2")), Fingerprint(_folder.Path));
    }

    [Theory]
    [InlineData("vocab_size", "127", "model.embed_tokens.weight")]
    [InlineData("num_hidden_layers", "2", "model.layers.2.")]
    [InlineData("num_hidden_layers", "4", "model.layers.3.")]
    [InlineData("tie_word_embeddings", "false", "lm_head.weight")]
    [InlineData("attention_bias", "true", "q_proj.bias")]
    public void Open_names_the_tensor_that_does_not_fit(string field, string value, string tensor)
    {
        CopyLlama();
        Edit("config.json", node => node[field] = JsonNode.Parse(value));
        Assert.Contains(tensor, Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../model-00001-of-00002.safetensors", "plain file names")]
    [InlineData("model-00002-of-00002.safetensors", "model.norm.weight")]
    public void Open_checks_the_index_against_the_shards(string file, string message)
    {
        CopyLlama();
        Edit("model.safetensors.index.json", node =>
        {
            var map = node["weight_map"]!;
            map["model.norm.weight"] = map["model.norm.weight"]!.GetValue<string>() == file ? "model-00001-of-00002.safetensors" : file;
        });
        Assert.Contains(message, Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_names_a_missing_shard()
    {
        CopyLlama();
        File.Delete(Path.Combine(_folder.Path, "model-00002-of-00002.safetensors"));
        Assert.Contains("model-00002-of-00002.safetensors", Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_refuses_a_shard_with_a_tensor_outside_the_index()
    {
        CopyLlama();
        Edit("model.safetensors.index.json", node => node["weight_map"]!.AsObject().Remove("model.norm.weight"));
        Assert.Contains("model.norm.weight", Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_ignores_rotary_tables_and_an_identical_copy_of_a_tied_head()
    {
        using var parameters = TransformerParameters.FromCheckpoint(Golden("llama"));
        using var table = new Matrix(1, 8);
        var tensors = parameters.All.Select(parameter => parameter.ToSave())
            .Append(new TensorToSave("model.layers.0.self_attn.rotary_emb.inv_freq", [8], table)).ToList();
        ModelConfigFile.Write(_folder.Path, parameters.Config, SavedType.F32);
        Write(tensors.Append(new TensorToSave("lm_head.weight", parameters.All[0].Shape, parameters.All[0].Value)));
        Assert.Equal(Fingerprint(Golden("llama")), Fingerprint(_folder.Path));

        using var other = new Matrix(parameters.All[0].Rows, parameters.All[0].Columns);
        Write(tensors.Append(new TensorToSave("lm_head.weight", parameters.All[0].Shape, other)));
        Assert.Contains("differs from the embedding", Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_of_a_directory_without_safetensors_says_what_to_download()
    {
        File.Copy(Path.Combine(Golden("llama"), "config.json"), Path.Combine(_folder.Path, "config.json"));
        Assert.Contains("safetensors", Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static string Golden(string variant) => Path.Combine(AppContext.BaseDirectory, "Fixtures", "goldens", variant, "model");

    private static string Fingerprint(string directory)
    {
        using var checkpoint = Checkpoint.Open(directory);
        return checkpoint.ComputeFingerprint();
    }

    private void Write(IEnumerable<TensorToSave> tensors)
        => SafetensorsWriter.Write(Path.Combine(_folder.Path, "model.safetensors"), tensors, SavedType.F32);

    private void CopyLlama()
    {
        foreach (var file in Directory.EnumerateFiles(Golden("llama")))
        {
            File.Copy(file, Path.Combine(_folder.Path, Path.GetFileName(file)));
        }
    }

    private void Edit(string file, Action<JsonNode> edit)
    {
        var path = Path.Combine(_folder.Path, file);
        var node = JsonNode.Parse(File.ReadAllText(path))!;
        edit(node);
        File.WriteAllText(path, node.ToJsonString());
    }
}
