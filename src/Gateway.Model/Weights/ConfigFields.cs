using System.Text.Json;

namespace Gateway.Model.Weights;

/// <summary>Typed access to the fields of config.json, with errors that name the field.</summary>
internal readonly struct ConfigFields(JsonElement config)
{
    /// <summary>True when the field is present, null included.</summary>
    public bool Has(string name) => config.TryGetProperty(name, out _);

    /// <summary>The field's value, or null when it is absent or null.</summary>
    public JsonElement? Optional(string name)
        => config.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>A required string.</summary>
    public string Text(string name)
        => Optional(name) is { ValueKind: JsonValueKind.String } value ? value.GetString()! : throw Missing(name);

    /// <summary>A required whole number above zero.</summary>
    public int Positive(string name)
    {
        var value = Optional(name) ?? throw Missing(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number > 0
            ? number
            : throw new ModelFormatException($"config.json: {name} is {value.GetRawText()}; it must be a whole number above zero.");
    }

    /// <summary>A required finite number above zero.</summary>
    public double PositiveNumber(string name)
    {
        var value = Optional(name) ?? throw Missing(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number > 0 && double.IsFinite(number)
            ? number
            : throw new ModelFormatException($"config.json: {name} is {value.GetRawText()}; it must be a number above zero.");
    }

    /// <summary>A truth value; false when absent or null.</summary>
    public bool Flag(string name) => Optional(name)?.ValueKind switch
    {
        null or JsonValueKind.False => false,
        JsonValueKind.True => true,
        _ => throw new ModelFormatException($"config.json: {name} must be true or false."),
    };

    /// <summary>The error for a required field that is absent.</summary>
    public ModelFormatException Missing(string name)
        => new($"config.json: {name} is missing; its default differs between model families, so add it explicitly.");

    /// <summary>The error for a feature that is not implemented.</summary>
    public ModelFormatException Unsupported(string name, JsonElement value)
        => new($"config.json: {name} = {value.GetRawText()} is not supported; use a checkpoint without it.");
}
