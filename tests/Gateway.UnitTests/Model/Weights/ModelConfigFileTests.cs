using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Weights;

public sealed class ModelConfigFileTests
{
    private const string Llama = """
        {"model_type":"llama","hidden_size":64,"intermediate_size":112,"num_hidden_layers":3,"num_attention_heads":4,
         "num_key_value_heads":2,"vocab_size":128,"max_position_embeddings":256,"rms_norm_eps":1e-5,"hidden_act":"silu",
         "rope_theta":10000.0,"tie_word_embeddings":true,"eos_token_id":2}
        """;

    [Theory]
    [InlineData("model_type", "\"gpt2\"", "model_type 'gpt2'")]
    [InlineData("hidden_act", "\"gelu\"", "hidden_act")]
    [InlineData("mlp_bias", "true", "mlp_bias")]
    [InlineData("use_sliding_window", "true", "use_sliding_window")]
    [InlineData("quantization_config", "{\"bits\":4}", "quantization_config")]
    [InlineData("layer_types", "[\"full_attention\",\"sliding_attention\"]", "layer_types")]
    [InlineData("partial_rotary_factor", "0.5", "partial_rotary_factor")]
    [InlineData("rope_scaling", "{\"rope_type\":\"yarn\",\"factor\":4}", "rope_type 'yarn'")]
    [InlineData("rope_scaling", "{\"type\":\"dynamic\",\"factor\":4}", "rope_type 'dynamic'")]
    [InlineData("rope_scaling", "{\"rope_type\":\"linear\"}", "factor is missing")]
    [InlineData("num_key_value_heads", "3", "does not divide")]
    [InlineData("num_attention_heads", "6", "does not divide")]
    [InlineData("head_dim", "7", "odd")]
    [InlineData("hidden_size", "0", "hidden_size is 0")]
    [InlineData("hidden_size", "\"64\"", "hidden_size is \"64\"")]
    [InlineData("tie_word_embeddings", "1", "must be true or false")]
    public void Parse_refuses_what_is_not_supported_by_name(string field, string value, string message)
        => Assert.Contains(message, Assert.Throws<ModelFormatException>(() => Parse(Llama, field, value)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("model_type")]
    [InlineData("hidden_size")]
    [InlineData("intermediate_size")]
    [InlineData("num_hidden_layers")]
    [InlineData("num_attention_heads")]
    [InlineData("num_key_value_heads")]
    [InlineData("vocab_size")]
    [InlineData("max_position_embeddings")]
    [InlineData("rms_norm_eps")]
    [InlineData("rope_theta")]
    public void Parse_requires_essential_fields(string field)
        => Assert.Contains($"{field} is missing", Assert.Throws<ModelFormatException>(() => Parse(Llama, field, "null")).Message, StringComparison.Ordinal);

    [Fact]
    public void Parse_reads_llama3_scaling_in_both_spellings()
    {
        const string Scaling = """{"rope_type":"llama3","factor":32.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192""";
        var older = Parse(Llama, "rope_scaling", Scaling + "}");
        var newer = Parse(Llama, "rope_parameters", Scaling + ",\"rope_theta\":10000.0}");
        Assert.Equal(new Llama3RopeScaling(32, 1, 4, 8192), older.RopeScaling);
        Assert.Equal(older.RopeScaling, newer.RopeScaling);
    }

    [Fact]
    public void Parse_knows_the_biases_and_norms_of_the_families()
    {
        var qwen2 = Parse(Llama, "model_type", "\"qwen2\"");
        Assert.True(qwen2 is { QueryKeyValueBias: true, OutputBias: false, QueryKeyNorm: false });
        Assert.Contains("head_dim is missing", Assert.Throws<ModelFormatException>(() => Parse(Llama, "model_type", "\"qwen3\"")).Message, StringComparison.Ordinal);
        var biased = Parse(Llama, "attention_bias", "true");
        Assert.True(biased is { QueryKeyValueBias: true, OutputBias: true });
    }

    [Fact]
    public void Parse_unites_the_end_tokens_of_both_files()
    {
        using var config = JsonDocument.Parse(Llama);
        using var generation = JsonDocument.Parse("""{"eos_token_id":[7,2]}""");
        Assert.Equal([2, 7], ModelConfigFile.Parse(config.RootElement, generation.RootElement).EndTokens);
    }

    [Fact]
    public void Write_then_read_returns_the_same_configuration()
    {
        using var folder = TestData.CreateFolder();
        var config = Parse(Llama, "rope_scaling", """{"type":"linear","factor":2}""");
        ModelConfigFile.Write(folder.Path, config, SavedType.BF16);
        Assert.Equal(config with { EndTokens = [] }, ModelConfigFile.Read(folder.Path) with { EndTokens = [] });
    }

    private static ModelConfig Parse(string json, string field, string value)
    {
        var node = JsonNode.Parse(json)!;
        node[field] = JsonNode.Parse(value);
        using var document = JsonDocument.Parse(node.ToJsonString());
        return ModelConfigFile.Parse(document.RootElement);
    }
}
