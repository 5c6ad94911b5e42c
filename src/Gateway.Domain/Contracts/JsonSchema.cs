using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Gateway.Domain.Contracts;

/// <summary>
/// A compiled JSON Schema, the one validator of the product: the subset of draft 2020-12 that constrained decoding can
/// enforce. Anything outside the subset is refused when the schema is read, by JSON pointer, never ignored. Immutable and
/// thread-safe.
/// </summary>
/// <remarks>
/// Supported: type (also a list), enum, const, properties, required, additionalProperties, items, prefixItems, minItems,
/// maxItems, minLength, maxLength, pattern (linear-time constructs), minimum, maximum, exclusiveMinimum, exclusiveMaximum,
/// multipleOf, anyOf, oneOf, allOf, local $ref and $defs. Annotations (title, description, default, examples, format …) are
/// ignored.
/// </remarks>
public sealed class JsonSchema
{
    private readonly JsonSchemaNode _root;

    private JsonSchema(JsonSchemaNode root) => _root = root;

    /// <summary>Compiles <paramref name="schema"/>, or tells by pointer what in it is wrong or outside the subset.</summary>
    public static bool TryParse(
        JsonElement schema, [NotNullWhen(true)] out JsonSchema? compiled, out IReadOnlyList<JsonProblem> problems)
    {
        var root = JsonSchemaParser.Parse(schema.Clone(), out problems);
        compiled = problems.Count == 0 ? new JsonSchema(root) : null;
        return compiled is not null;
    }

    /// <summary>What is wrong with <paramref name="value"/>: at most 20 problems, none when it is valid.</summary>
    public IReadOnlyList<JsonProblem> Validate(JsonElement value) => JsonSchemaValidation.Run(_root, value);

    /// <summary>As <see cref="Validate"/> for JSON text; text that is not one JSON value without repeated members is a problem too.</summary>
    public IReadOnlyList<JsonProblem> ValidateText(string? text)
    {
        try
        {
            using var document = JsonDocument.Parse(text ?? "", new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Validate(document.RootElement);
        }
        catch (JsonException error)
        {
            return [new("", $"is not JSON: {error.Message}")];
        }
    }
}
