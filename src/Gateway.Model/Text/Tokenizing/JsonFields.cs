using System.Text.Json;

namespace Gateway.Model.Text.Tokenizing;

/// <summary>Reads optional fields of a tokenizer file; absent and null are the same.</summary>
internal static class JsonFields
{
    public static JsonElement? Optional(this JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value)
        && value.ValueKind != JsonValueKind.Null
            ? value
            : null;

    public static JsonElement Required(this JsonElement element, string name) =>
        element.Optional(name)
        ?? throw new TokenizerException($"tokenizer.json: the field '{name}' is missing; download the file again.");

    public static string? String(this JsonElement element, string name)
    {
        if (element.Optional(name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : throw new TokenizerException($"tokenizer.json: '{name}' must be a string, not {value.ValueKind}.");
    }

    public static bool Flag(this JsonElement element, string name, bool otherwise = false) =>
        element.Optional(name)?.ValueKind switch
        {
            null => otherwise,
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            var kind => throw new TokenizerException($"tokenizer.json: '{name}' must be true or false, not {kind}."),
        };

    public static int Integer(this JsonElement element, string name)
    {
        if (element.Required(name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out var number))
            return number;
        throw new TokenizerException($"tokenizer.json: '{name}' must be a 32-bit integer.");
    }

    public static string Type(this JsonElement element) =>
        element.String("type") ?? throw new TokenizerException("tokenizer.json: a component has no 'type'; download the file again.");
}
