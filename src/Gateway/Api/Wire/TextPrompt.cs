using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>One prompt of a text completion or input of an embedding: text, or token ids; exactly one is set.</summary>
public sealed record TextPrompt(string? Text, IReadOnlyList<int>? Ids)
{
    /// <summary>Reads a string, an array of strings, an array of token ids, or an array of such arrays.</summary>
    /// <param name="fields">Takes the failure.</param>
    /// <param name="value">The field.</param>
    /// <param name="path">Its name.</param>
    /// <param name="most">Prompts that there may be.</param>
    internal static IReadOnlyList<TextPrompt> ReadAll(FieldReader fields, JsonElement value, string path, int most)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return [new(value.GetString(), null)];
        }

        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
        {
            fields.Fail(ApiError.InvalidValue(path, "expected a string, an array of strings, an array of token ids or an array of such arrays, not empty."));
            return [];
        }

        if (value[0].ValueKind == JsonValueKind.Number)
        {
            return fields.Integers(value, path, int.MaxValue) is { } ids ? [new(null, ids)] : [];
        }

        if (value.GetArrayLength() > most)
        {
            fields.Fail(ApiError.InvalidValue(path, $"expected at most {most} entries."));
            return [];
        }

        return [.. value.EnumerateArray().Select((item, index) => item.ValueKind == JsonValueKind.String
            ? new TextPrompt(item.GetString(), null)
            : new TextPrompt(null, fields.Integers(item, $"{path}[{index}]", int.MaxValue)))];
    }

    /// <summary>Writes it as it came.</summary>
    internal void WriteTo(Utf8JsonWriter writer)
    {
        if (Text is not null)
        {
            writer.WriteStringValue(Text);
            return;
        }

        writer.WriteStartArray();
        foreach (var id in Ids!)
        {
            writer.WriteNumberValue(id);
        }

        writer.WriteEndArray();
    }
}
