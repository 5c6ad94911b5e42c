using System.Text.Json;

namespace Gateway.Model.Weights;

/// <summary>
/// Reads and writes config.json. Both published spellings are read: rope_theta + rope_scaling and rope_parameters.
/// Fields whose defaults differ between families are required, and every feature that would change the maths but is not
/// implemented is refused by name.
/// </summary>
public static class ModelConfigFile
{
    private static readonly JsonDocumentOptions Strict = new() { AllowDuplicateProperties = false };

    /// <summary>Reads config.json and, when present, generation_config.json of a model directory.</summary>
    /// <exception cref="ModelFormatException">A file is missing, broken or names something unsupported.</exception>
    public static ModelConfig Read(string directory)
    {
        var path = Path.Combine(directory, "config.json");
        if (!File.Exists(path))
        {
            throw new ModelFormatException($"'{path}' does not exist; point to a Hugging Face model directory.");
        }

        var generationPath = Path.Combine(directory, "generation_config.json");
        try
        {
            using var config = JsonDocument.Parse(File.ReadAllBytes(path), Strict);
            using var generation = File.Exists(generationPath) ? JsonDocument.Parse(File.ReadAllBytes(generationPath), Strict) : null;
            return Parse(config.RootElement, generation?.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            throw new ModelFormatException($"config.json or generation_config.json in '{directory}' is not valid JSON of the expected form ({exception.Message}); download it again.", exception);
        }
    }

    /// <summary>Turns the parsed files into a checked configuration.</summary>
    /// <exception cref="ModelFormatException">A field is missing, out of range or names something unsupported.</exception>
    public static ModelConfig Parse(JsonElement config, JsonElement? generation = null)
    {
        var fields = new ConfigFields(config);
        var modelType = fields.Text("model_type");
        var family = modelType switch
        {
            "llama" => ModelFamily.Llama,
            "mistral" => ModelFamily.Llama,
            "qwen2" => ModelFamily.Qwen2,
            "qwen3" => ModelFamily.Qwen3,
            _ => throw new ModelFormatException($"config.json: model_type '{modelType}' is not supported; use a llama, mistral, qwen2 or qwen3 checkpoint."),
        };
        RefuseUnsupported(fields, modelType);
        var rope = RopeFields.Parse(fields);
        var hidden = fields.Positive("hidden_size");
        var heads = fields.Positive("num_attention_heads");
        var keyValueHeads = fields.Positive("num_key_value_heads");
        var headDimension = HeadDimension(fields, family, hidden, heads);
        if (heads % keyValueHeads != 0)
        {
            throw new ModelFormatException($"config.json: num_key_value_heads {keyValueHeads} does not divide num_attention_heads {heads}; correct the file.");
        }

        var attentionBias = fields.Flag("attention_bias");
        return new ModelConfig
        {
            Family = family,
            HiddenSize = hidden,
            IntermediateSize = fields.Positive("intermediate_size"),
            LayerCount = fields.Positive("num_hidden_layers"),
            HeadCount = heads,
            KeyValueHeadCount = keyValueHeads,
            HeadDimension = headDimension,
            VocabularySize = fields.Positive("vocab_size"),
            ContextLength = fields.Positive("max_position_embeddings"),
            RmsNormEpsilon = (float)fields.PositiveNumber("rms_norm_eps"),
            RopeTheta = rope.Theta,
            RopeLinearFactor = rope.LinearFactor,
            RopeScaling = rope.Llama3,
            TiedEmbeddings = fields.Flag("tie_word_embeddings"),
            QueryKeyValueBias = family == ModelFamily.Qwen2 || attentionBias,
            OutputBias = family != ModelFamily.Qwen2 && attentionBias,
            QueryKeyNorm = family == ModelFamily.Qwen3,
            EndTokens = EndTokens(config, generation),
        };
    }

    /// <summary>Writes a config.json that this reader and Hugging Face load back to the same maths.</summary>
    public static void Write(string directory, ModelConfig config, SavedType type) => DurableFile.Write(Path.Combine(directory, "config.json"), stream =>
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" });
        json.WriteStartObject();
        json.WriteStartArray("architectures");
        json.WriteStringValue($"{config.Family}ForCausalLM");
        json.WriteEndArray();
        json.WriteString("model_type", config.Family.ToString().ToLowerInvariant());
        json.WriteNumber("hidden_size", config.HiddenSize);
        json.WriteNumber("intermediate_size", config.IntermediateSize);
        json.WriteNumber("num_hidden_layers", config.LayerCount);
        json.WriteNumber("num_attention_heads", config.HeadCount);
        json.WriteNumber("num_key_value_heads", config.KeyValueHeadCount);
        json.WriteNumber("head_dim", config.HeadDimension);
        json.WriteNumber("vocab_size", config.VocabularySize);
        json.WriteNumber("max_position_embeddings", config.ContextLength);
        json.WriteNumber("rms_norm_eps", config.RmsNormEpsilon);
        json.WriteString("hidden_act", "silu");
        json.WriteBoolean("tie_word_embeddings", config.TiedEmbeddings);
        json.WriteBoolean("attention_bias", config.Family != ModelFamily.Qwen2 && config.QueryKeyValueBias);
        json.WriteBoolean("mlp_bias", false);
        json.WriteString("torch_dtype", type == SavedType.F32 ? "float32" : "bfloat16");
        json.WriteNumber("rope_theta", config.RopeTheta);
        RopeFields.WriteScaling(json, config);
        if (config.EndTokens.Count > 0)
        {
            json.WriteStartArray("eos_token_id");
            foreach (var token in config.EndTokens)
            {
                json.WriteNumberValue(token);
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    });

    private static void RefuseUnsupported(ConfigFields fields, string modelType)
    {
        if (fields.Optional("hidden_act") is { } activation && !activation.ValueEquals("silu"))
        {
            throw fields.Unsupported("hidden_act", activation);
        }

        foreach (var name in (string[])["mlp_bias", "use_sliding_window", "quantization_config", "attention_sinks"])
        {
            if (fields.Optional(name) is { ValueKind: not JsonValueKind.False } value)
            {
                throw fields.Unsupported(name, value);
            }
        }

        // Only Mistral switches the window on by the width alone, and its default is 4096 when the field is absent.
        if (modelType == "mistral" && (fields.Optional("sliding_window") is not null || !fields.Has("sliding_window")))
        {
            throw new ModelFormatException("config.json: sliding_window attention of Mistral is not supported; use a checkpoint with sliding_window null.");
        }

        if (fields.Optional("layer_types") is { } types
            && types.EnumerateArray().FirstOrDefault(type => !type.ValueEquals("full_attention")) is { ValueKind: not JsonValueKind.Undefined } other)
        {
            throw fields.Unsupported("layer_types", other);
        }

        if (fields.Optional("partial_rotary_factor") is { } partial && partial.GetDouble() != 1)
        {
            throw fields.Unsupported("partial_rotary_factor", partial);
        }
    }

    private static int HeadDimension(ConfigFields fields, ModelFamily family, int hidden, int heads)
    {
        int dimension;
        if (fields.Optional("head_dim") is not null)
        {
            dimension = fields.Positive("head_dim");
        }
        else if (family == ModelFamily.Qwen3)
        {
            throw fields.Missing("head_dim");
        }
        else if (hidden % heads != 0)
        {
            throw new ModelFormatException($"config.json: num_attention_heads {heads} does not divide hidden_size {hidden} and head_dim is missing; add head_dim.");
        }
        else
        {
            dimension = hidden / heads;
        }

        return dimension % 2 == 0
            ? dimension
            : throw new ModelFormatException($"config.json: head_dim {dimension} is odd, which rotary embeddings cannot use; correct the file.");
    }

    private static List<int> EndTokens(JsonElement config, JsonElement? generation)
    {
        var tokens = new SortedSet<int>();
        foreach (var source in (JsonElement?[])[config, generation])
        {
            if (source is not { } file || !file.TryGetProperty("eos_token_id", out var value) || value.ValueKind == JsonValueKind.Null)
            {
                continue;
            }

            foreach (var token in value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().ToArray() : [value])
            {
                tokens.Add(token.GetInt32());
            }
        }

        return [.. tokens];
    }
}
