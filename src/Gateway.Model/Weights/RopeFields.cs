using System.Text.Json;

namespace Gateway.Model.Weights;

/// <summary>The rotary embedding's part of config.json, in either spelling.</summary>
internal readonly record struct RopeFields(double Theta, double LinearFactor, Llama3RopeScaling? Llama3)
{
    /// <summary>Reads rope_parameters (newer) or rope_theta and rope_scaling (older); other rope types are refused by name.</summary>
    public static RopeFields Parse(ConfigFields config)
    {
        var parameters = config.Optional("rope_parameters");
        var scaling = config.Optional("rope_scaling");
        if (parameters is not null && scaling is not null)
        {
            throw new ModelFormatException("config.json: rope_parameters and rope_scaling are both given; keep one of them.");
        }

        if (parameters is { } newer)
        {
            var fields = new ConfigFields(newer);
            return Scale(fields, fields.Has("rope_theta") ? fields.PositiveNumber("rope_theta") : config.PositiveNumber("rope_theta"));
        }

        var theta = config.PositiveNumber("rope_theta");
        return scaling is { } older ? Scale(new ConfigFields(older), theta) : new RopeFields(theta, 1, null);
    }

    /// <summary>Writes rope_scaling in the older spelling, which every reader understands.</summary>
    public static void WriteScaling(Utf8JsonWriter json, ModelConfig config)
    {
        if (config.RopeScaling is { } llama3)
        {
            json.WriteStartObject("rope_scaling");
            json.WriteString("rope_type", "llama3");
            json.WriteNumber("factor", llama3.Factor);
            json.WriteNumber("low_freq_factor", llama3.LowFrequencyFactor);
            json.WriteNumber("high_freq_factor", llama3.HighFrequencyFactor);
            json.WriteNumber("original_max_position_embeddings", llama3.OriginalContext);
            json.WriteEndObject();
        }
        else if (config.RopeLinearFactor != 1)
        {
            json.WriteStartObject("rope_scaling");
            json.WriteString("rope_type", "linear");
            json.WriteNumber("factor", config.RopeLinearFactor);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("rope_scaling");
        }
    }

    private static RopeFields Scale(ConfigFields fields, double theta)
    {
        var type = fields.Optional("rope_type") is not null ? fields.Text("rope_type") : fields.Text("type");
        return type switch
        {
            "default" => new RopeFields(theta, 1, null),
            "linear" => new RopeFields(theta, fields.PositiveNumber("factor"), null),
            "llama3" => new RopeFields(theta, 1, ParseLlama3(fields)),
            _ => throw new ModelFormatException($"config.json: rope_type '{type}' is not supported; use a checkpoint with default, linear or llama3."),
        };
    }

    private static Llama3RopeScaling ParseLlama3(ConfigFields fields)
    {
        var scaling = new Llama3RopeScaling(
            fields.PositiveNumber("factor"),
            fields.PositiveNumber("low_freq_factor"),
            fields.PositiveNumber("high_freq_factor"),
            fields.Positive("original_max_position_embeddings"));
        return scaling.HighFrequencyFactor > scaling.LowFrequencyFactor
            ? scaling
            : throw new ModelFormatException("config.json: high_freq_factor must exceed low_freq_factor; correct rope_scaling.");
    }
}
