using System.Text.Json;

namespace Gateway.Domain.Contracts;

/// <summary>The tools a contract brings: OpenAI's array <c>[{"type":"function","function":{"name":…}}]</c>.</summary>
internal static class ContractTools
{
    private const int MaximumTools = 128;

    /// <summary>True when the policy refuses a request with these tools.</summary>
    public static bool IsRefused(ContractContent content, JsonElement? tools) => content.ToolsPolicy == ToolsPolicy.Reject && Count(tools) > 0;

    /// <summary>The tools the model sees, or null for none.</summary>
    public static JsonElement? Join(ContractContent content, JsonElement? tools)
    {
        if (Count(content.Tools) == 0)
        {
            return content.ToolsPolicy == ToolsPolicy.Replace ? null : tools;
        }

        if (content.ToolsPolicy != ToolsPolicy.Allow || Count(tools) == 0)
        {
            return content.Tools;
        }

        var own = content.Tools!.Value;
        var names = own.EnumerateArray().Select(NameOf).ToHashSet(StringComparer.Ordinal);
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartArray();
            foreach (var tool in own.EnumerateArray().Concat(tools!.Value.EnumerateArray().Where(tool => !names.Contains(NameOf(tool)))))
            {
                tool.WriteTo(writer);
            }

            writer.WriteEndArray();
        }

        return JsonElement.Parse(buffer.WrittenSpan);
    }

    /// <summary>What is wrong with a contract's tools, by pointer into them.</summary>
    public static IReadOnlyList<JsonProblem> Check(ContractContent content)
    {
        if (content.Tools is not { } tools)
        {
            return [];
        }

        if (tools.ValueKind != JsonValueKind.Array || tools.GetArrayLength() is 0 or > MaximumTools)
        {
            return [new("", $"must be an array of 1 to {MaximumTools} tools")];
        }

        var problems = new List<JsonProblem>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < tools.GetArrayLength(); i++)
        {
            if (NameOf(tools[i]) is not { Length: > 0 } name)
            {
                problems.Add(new($"/{i}", "must be {\"type\":\"function\",\"function\":{\"name\":…}}"));
            }
            else if (!seen.Add(name))
            {
                problems.Add(new($"/{i}/function/name", $"names the function '{name}' a second time"));
            }
        }

        return problems;
    }

    private static int Count(JsonElement? tools) => tools is { ValueKind: JsonValueKind.Array } array ? array.GetArrayLength() : 0;

    private static string? NameOf(JsonElement tool) =>
        tool.ValueKind == JsonValueKind.Object
        && tool.TryGetProperty("type", out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("function")
        && tool.TryGetProperty("function", out var function) && function.ValueKind == JsonValueKind.Object
        && function.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String
            ? name.GetString()
            : null;
}
