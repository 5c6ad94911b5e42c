using System.Text.Json;

namespace Gateway.Model.Lora;

/// <summary>Reads and writes adapter_config.json in PEFT's form; whatever would change the maths and is not implemented is refused by name.</summary>
internal static class AdapterConfigFile
{
    private static readonly HashSet<string> Informative = new(StringComparer.Ordinal)
    {
        "base_model_name_or_path", "revision", "auto_mapping", "inference_mode", "peft_version", "loftq_config",
        "eva_config", "corda_config", "runtime_config", "megatron_core",
    };

    private static readonly HashSet<string> Unsupported = new(StringComparer.Ordinal)
    {
        "use_dora", "use_qalora", "lora_bias", "alora_invocation_tokens", "layer_replication", "target_parameters",
        "trainable_token_indices", "modules_to_save", "fan_in_fan_out", "megatron_config", "use_bdlora", "arrow_config",
        "velora_config", "kasa_config", "monteclora_config", "ensure_weight_tying",
    };

    /// <summary>Initialisations that leave the base weights unchanged; the others fit a modified base.</summary>
    private static readonly HashSet<string> HarmlessInitialisations = new(StringComparer.OrdinalIgnoreCase) { "gaussian", "eva", "orthogonal", "mica" };

    /// <summary>Parses adapter_config.json.</summary>
    /// <exception cref="InvalidAdapterException">The file breaks a rule; the message names the field.</exception>
    public static LoraSpec Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Parse(document.RootElement);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            throw new InvalidAdapterException($"adapter_config.json is not valid JSON of PEFT's form ({exception.Message}); export the adapter again.", exception);
        }
    }

    /// <summary>Writes the configuration of an adapter for inference.</summary>
    public static void Write(Stream stream, LoraSpec spec)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" });
        json.WriteStartObject();
        WritePattern(json, "alpha_pattern", spec.AlphaPattern, json.WriteNumberValue);
        json.WriteNull("auto_mapping");
        json.WriteString("base_model_name_or_path", spec.BaseModel);
        json.WriteString("bias", "none");
        WriteNames(json, "exclude_modules", spec.ExcludeExpression, spec.ExcludeModules, emptyIsNull: true);
        json.WriteBoolean("fan_in_fan_out", false);
        json.WriteBoolean("inference_mode", true);
        json.WriteBoolean("init_lora_weights", true);
        WriteNames(json, "layers_pattern", expression: null, spec.LayersPattern, emptyIsNull: true);
        if (spec.LayersToTransform is { } layers)
        {
            json.WriteStartArray("layers_to_transform");
            foreach (var layer in layers)
            {
                json.WriteNumberValue(layer);
            }

            json.WriteEndArray();
        }
        else
        {
            json.WriteNull("layers_to_transform");
        }

        json.WriteNumber("lora_alpha", spec.Alpha);
        json.WriteNumber("lora_dropout", spec.Dropout);
        json.WriteNull("modules_to_save");
        json.WriteString("peft_type", "LORA");
        json.WriteNumber("r", spec.Rank);
        WritePattern(json, "rank_pattern", spec.RankPattern, json.WriteNumberValue);
        json.WriteNull("revision");
        WriteNames(json, "target_modules", spec.TargetExpression, [.. spec.TargetModules.Order(StringComparer.Ordinal)], emptyIsNull: false);
        json.WriteString("task_type", "CAUSAL_LM");
        json.WriteBoolean("use_dora", false);
        json.WriteBoolean("use_rslora", spec.UseRsLora);
        json.WriteEndObject();
    }

    private static LoraSpec Parse(JsonElement root)
    {
        var spec = new LoraSpec { Rank = 8, Alpha = 8 };
        var ignored = new List<string>();
        var isLora = false;
        foreach (var (name, value) in root.EnumerateObject().Select(property => (property.Name, property.Value)))
        {
            switch (name)
            {
                case "peft_type":
                    isLora = value.ValueEquals("LORA") ? true : throw Refuse(name, value, "use a LoRA adapter");
                    break;
                case "r":
                    spec = spec with { Rank = PositiveInteger(name, value) };
                    break;
                case "lora_alpha":
                    spec = spec with { Alpha = Finite(name, value) };
                    break;
                case "lora_dropout":
                    spec = spec with { Dropout = Finite(name, value) };
                    break;
                case "use_rslora":
                    spec = spec with { UseRsLora = !IsEmpty(value) && value.GetBoolean() };
                    break;
                case "bias":
                    if (!value.ValueEquals("none"))
                    {
                        throw Refuse(name, value, "train with bias \"none\"");
                    }

                    break;
                case "task_type":
                    if (value.ValueKind != JsonValueKind.Null && !value.ValueEquals("CAUSAL_LM"))
                    {
                        throw Refuse(name, value, "use a CAUSAL_LM adapter");
                    }

                    break;
                case "init_lora_weights":
                    if (value.ValueKind == JsonValueKind.String && !HarmlessInitialisations.Contains(value.GetString()!))
                    {
                        throw Refuse(name, value, "it fits a modified base; convert the adapter to plain LoRA first");
                    }

                    break;
                case "target_modules":
                    spec = value.ValueKind == JsonValueKind.String
                        ? spec with { TargetExpression = value.GetString() }
                        : spec with { TargetModules = Names(name, value) };
                    break;
                case "exclude_modules":
                    spec = value.ValueKind == JsonValueKind.String
                        ? spec with { ExcludeExpression = value.GetString() is { Length: > 0 } expression ? expression : null }
                        : spec with { ExcludeModules = Names(name, value) };
                    break;
                case "layers_to_transform":
                    spec = spec with { LayersToTransform = Layers(name, value) };
                    break;
                case "layers_pattern":
                    spec = spec with { LayersPattern = value.ValueKind == JsonValueKind.String ? [value.GetString()!] : Names(name, value) };
                    break;
                case "rank_pattern":
                    spec = spec with { RankPattern = Pattern(value, item => PositiveInteger(name, item)) };
                    break;
                case "alpha_pattern":
                    spec = spec with { AlphaPattern = Pattern(value, item => Finite(name, item)) };
                    break;
                default:
                    if (name == "base_model_name_or_path" && value.ValueKind == JsonValueKind.String)
                    {
                        spec = spec with { BaseModel = value.GetString() };
                    }
                    else if (Unsupported.Contains(name) && !IsEmpty(value))
                    {
                        throw Refuse(name, value, "train without it or merge it into plain LoRA first");
                    }
                    else if (!Unsupported.Contains(name) && !Informative.Contains(name))
                    {
                        ignored.Add(IsEmpty(value) ? name : throw Refuse(name, value, "the field is unknown and may change the maths; remove it if it does not"));
                    }

                    break;
            }
        }

        if (!isLora)
        {
            throw new InvalidAdapterException("adapter_config.json: peft_type is missing; it must be \"LORA\".");
        }

        if (spec.TargetExpression is null && spec.TargetModules.Count == 0)
        {
            throw new InvalidAdapterException("adapter_config.json: target_modules is missing; name the adapted modules.");
        }

        return spec.TargetExpression is not null && spec.LayersToTransform is not null
            ? throw new InvalidAdapterException("adapter_config.json: layers_to_transform needs target_modules as a list; write the layers into the expression instead.")
            : spec with { IgnoredFields = ignored };
    }

    private static IReadOnlyList<string> Names(string field, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => [],
        JsonValueKind.Array => [.. value.EnumerateArray().Select(item => item.GetString() ?? throw Refuse(field, value, "use a list of strings"))],
        _ => throw Refuse(field, value, "use a list of strings"),
    };

    private static IReadOnlyList<int>? Layers(string field, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.Number => [value.GetInt32()],
        JsonValueKind.Array => value.GetArrayLength() == 0 ? null : [.. value.EnumerateArray().Select(item => item.GetInt32())],
        _ => throw Refuse(field, value, "use a list of layer numbers"),
    };

    private static List<KeyValuePair<string, T>> Pattern<T>(JsonElement value, Func<JsonElement, T> parse) => value.ValueKind == JsonValueKind.Null
        ? []
        : [.. value.EnumerateObject().Select(item => KeyValuePair.Create(item.Name, parse(item.Value)))];

    private static int PositiveInteger(string field, JsonElement value)
        => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number > 0
            ? number
            : throw Refuse(field, value, "use a whole number above zero");

    private static double Finite(string field, JsonElement value)
        => value.ValueKind == JsonValueKind.Number && double.IsFinite(value.GetDouble()) ? value.GetDouble() : throw Refuse(field, value, "use a finite number");

    private static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().MoveNext(),
        JsonValueKind.String => value.ValueEquals(string.Empty),
        _ => false,
    };

    private static InvalidAdapterException Refuse(string field, JsonElement value, string remedy)
        => new($"adapter_config.json: {field} = {value.GetRawText()} is not supported; {remedy}.");

    private static void WritePattern<T>(Utf8JsonWriter json, string name, IReadOnlyList<KeyValuePair<string, T>> pattern, Action<T> write)
    {
        json.WriteStartObject(name);
        foreach (var (key, value) in pattern)
        {
            json.WritePropertyName(key);
            write(value);
        }

        json.WriteEndObject();
    }

    private static void WriteNames(Utf8JsonWriter json, string name, string? expression, IReadOnlyList<string> names, bool emptyIsNull)
    {
        if (expression is not null)
        {
            json.WriteString(name, expression);
        }
        else if (emptyIsNull && names.Count == 0)
        {
            json.WriteNull(name);
        }
        else
        {
            json.WriteStartArray(name);
            foreach (var item in names)
            {
                json.WriteStringValue(item);
            }

            json.WriteEndArray();
        }
    }
}
