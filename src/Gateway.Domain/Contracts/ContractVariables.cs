using System.Text.Json;
using System.Text.RegularExpressions;

namespace Gateway.Domain.Contracts;

/// <summary>The <c>{{name}}</c> variables of a system prompt: their check against the schema and their replacement by values.</summary>
public static partial class ContractVariables
{
    private static readonly JsonElement NoValues = JsonElement.Parse("{}");

    /// <summary>The variable names <paramref name="prompt"/> uses, each once, in order of first use.</summary>
    public static IReadOnlyList<string> NamesIn(string? prompt) =>
        prompt is null ? [] : [.. Placeholder().Matches(prompt).Select(m => m.Groups["name"].Value).Distinct(StringComparer.Ordinal)];

    /// <summary>Null when <paramref name="values"/> fits; otherwise the first missing, unknown or ill-typed variable.</summary>
    internal static ContractRefusal? Check(JsonElement? schema, string? prompt, JsonElement? values)
    {
        // Without a declaration "{{…}}" is ordinary text.
        if (schema is not { ValueKind: JsonValueKind.Object } declared)
        {
            return values is { ValueKind: not (JsonValueKind.Null or JsonValueKind.Undefined) }
                ? new("unknown_variable", "variables", "This deployment's contract declares no variables: leave 'variables' out.")
                : null;
        }

        if (values is { ValueKind: not (JsonValueKind.Object or JsonValueKind.Null or JsonValueKind.Undefined) })
        {
            return new("invalid_variables", "variables", "'variables' must be an object of variable names and values.");
        }

        var properties = declared.TryGetProperty("properties", out var p) && p.ValueKind == JsonValueKind.Object ? p : default;
        foreach (var value in Members(values))
        {
            if (properties.ValueKind != JsonValueKind.Object || !properties.TryGetProperty(value.Name, out _))
            {
                return new("unknown_variable", $"variables.{value.Name}",
                    $"The contract declares no variable '{value.Name}': remove it or correct its name.");
            }
        }

        foreach (var name in NamesIn(prompt))
        {
            if (!Members(values).Any(m => m.NameEquals(name)))
            {
                return new("missing_variable", $"variables.{name}", $"The contract's prompt needs the variable '{name}': send a value for it.");
            }
        }

        // Without values the schema may still require some.
        if (JsonSchema.TryParse(declared, out var compiled, out _)
            && compiled.Validate(values is { ValueKind: JsonValueKind.Object } given ? given : NoValues) is [var problem, ..])
        {
            return problem.Pointer.Length == 0
                ? new("missing_variable", "variables", $"The contract's variables are not complete: the object {problem.Message}.")
                : new("invalid_variable", "variables" + problem.Pointer.Replace('/', '.'), $"The variable {problem.Message}.");
        }

        return null;
    }

    /// <summary>
    /// Replaces each placeholder in one pass, so a value that looks like a placeholder stays text. Strings go in as they are,
    /// other values as their JSON. Without values the prompt is returned unchanged.
    /// </summary>
    internal static string Fill(string prompt, JsonElement? values) => values is not { ValueKind: JsonValueKind.Object } given
        ? prompt
        : Placeholder().Replace(prompt, match => given.TryGetProperty(match.Groups["name"].Value, out var value)
            ? value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText()
            : match.Value);

    private static IEnumerable<JsonProperty> Members(JsonElement? values) =>
        values is { ValueKind: JsonValueKind.Object } given ? given.EnumerateObject() : [];

    [GeneratedRegex(@"\{\{\s*(?<name>[A-Za-z_][A-Za-z0-9_]*)\s*\}\}", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Placeholder();
}
