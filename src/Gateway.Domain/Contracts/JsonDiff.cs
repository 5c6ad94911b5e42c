using System.Text.Json;
using Gateway.Domain.Json;

namespace Gateway.Domain.Contracts;

/// <summary>A place where two JSON values differ; <see cref="Before"/> or <see cref="After"/> is null where there is nothing.</summary>
/// <param name="Pointer">JSON Pointer to the place.</param>
/// <param name="Before">The first value's part.</param>
/// <param name="After">The second value's part.</param>
public readonly record struct JsonDifference(string Pointer, JsonElement? Before, JsonElement? After);

/// <summary>Compares JSON values by structure: order of members and white space do not count.</summary>
public static class JsonDiff
{
    /// <summary>Every place where the values differ, at the deepest level that tells it; none when they are equal.</summary>
    public static IReadOnlyList<JsonDifference> Compare(JsonElement? before, JsonElement? after)
    {
        var differences = new List<JsonDifference>();
        Compare("", Given(before), Given(after), differences);
        return differences;
    }

    private static JsonElement? Given(JsonElement? value) => value is { ValueKind: JsonValueKind.Undefined } ? null : value;

    private static void Compare(string pointer, JsonElement? before, JsonElement? after, List<JsonDifference> differences)
    {
        switch (before, after)
        {
            case (null, null):
                return;
            case ({ ValueKind: JsonValueKind.Object } old, { ValueKind: JsonValueKind.Object } next):
                foreach (var name in old.EnumerateObject().Concat(next.EnumerateObject()).Select(member => member.Name).Distinct(StringComparer.Ordinal))
                {
                    Compare(JsonProblem.Append(pointer, name), Member(old, name), Member(next, name), differences);
                }

                return;
            case ({ ValueKind: JsonValueKind.Array } old, { ValueKind: JsonValueKind.Array } next):
                for (var i = 0; i < Math.Max(old.GetArrayLength(), next.GetArrayLength()); i++)
                {
                    Compare($"{pointer}/{i}", Item(old, i), Item(next, i), differences);
                }

                return;
            case ({ } old, { } next) when CanonicalJson.Write(old) == CanonicalJson.Write(next):
                return;
            default:
                differences.Add(new(pointer, before, after));
                return;
        }
    }

    private static JsonElement? Member(JsonElement value, string name) => value.TryGetProperty(name, out var member) ? member : null;

    private static JsonElement? Item(JsonElement value, int index) => index < value.GetArrayLength() ? value[index] : null;
}
