using System.Globalization;
using System.Text.Json;

namespace Gateway.Domain.Contracts;

/// <summary>One validation of a value against a compiled schema.</summary>
internal sealed class JsonSchemaValidation
{
    private const int MaximumProblems = 20;

    // Nested alternatives can multiply; a reply that needs more steps than this is reported instead of holding a thread.
    private const int MaximumSteps = 50_000;

    private int _steps;

    public static IReadOnlyList<JsonProblem> Run(JsonSchemaNode root, JsonElement value)
    {
        var problems = new List<JsonProblem>();
        var validation = new JsonSchemaValidation();
        try
        {
            validation.Check(root, value, "", problems);
        }
        catch (InvalidOperationException)
        {
            // The reader defers the check of escaped surrogates to the moment a string is read.
            problems.Add(new("", "contains a string that is not valid Unicode"));
        }

        if (validation._steps > MaximumSteps)
        {
            problems.Add(new("", "is too complex to validate against this schema"));
        }

        return problems.Count <= MaximumProblems ? problems : problems[..MaximumProblems];
    }

    private void Check(JsonSchemaNode schema, JsonElement value, string pointer, List<JsonProblem> problems)
    {
        if (++_steps > MaximumSteps || problems.Count >= MaximumProblems)
        {
            return;
        }

        if (schema.Never)
        {
            problems.Add(new(pointer, "is not allowed"));
            return;
        }

        if (schema.Types is { } types && (types & TypesOf(value)) == 0)
        {
            problems.Add(new(pointer, $"must be {Names(types)}"));
            return;
        }

        if (schema.Enum is { } allowed && !Array.Exists(allowed, item => JsonElement.DeepEquals(item, value)))
        {
            problems.Add(new(pointer, $"must be one of {string.Join(", ", allowed.Take(12).Select(item => item.GetRawText()))}{(allowed.Length > 12 ? ", …" : "")}"));
        }

        if (schema.Const is { } constant && !JsonElement.DeepEquals(constant, value))
        {
            problems.Add(new(pointer, $"must be {constant.GetRawText()}"));
        }

        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                CheckObject(schema, value, pointer, problems);
                break;
            case JsonValueKind.Array:
                CheckArray(schema, value, pointer, problems);
                break;
            case JsonValueKind.String:
                CheckString(schema, value.GetString()!, pointer, problems);
                break;
            case JsonValueKind.Number:
                CheckNumber(schema, value, pointer, problems);
                break;
        }

        CheckCombinations(schema, value, pointer, problems);
    }

    private void CheckObject(JsonSchemaNode schema, JsonElement value, string pointer, List<JsonProblem> problems)
    {
        foreach (var name in schema.Required)
        {
            if (!value.TryGetProperty(name, out _))
            {
                problems.Add(new(pointer, $"lacks the required property '{name}'"));
            }
        }

        foreach (var member in value.EnumerateObject())
        {
            if (schema.Properties.TryGetValue(member.Name, out var property))
            {
                Check(property, member.Value, JsonProblem.Append(pointer, member.Name), problems);
            }
            else if (schema.AdditionalProperties is { Never: true })
            {
                problems.Add(new(JsonProblem.Append(pointer, member.Name), "is a property the schema does not allow"));
            }
            else if (schema.AdditionalProperties is { } additional)
            {
                Check(additional, member.Value, JsonProblem.Append(pointer, member.Name), problems);
            }
        }
    }

    private void CheckArray(JsonSchemaNode schema, JsonElement value, string pointer, List<JsonProblem> problems)
    {
        var count = value.GetArrayLength();
        if (count < schema.MinItems)
        {
            problems.Add(new(pointer, $"must have at least {schema.MinItems} items"));
        }

        if (count > schema.MaxItems)
        {
            problems.Add(new(pointer, $"must have at most {schema.MaxItems} items"));
        }

        var index = 0;
        foreach (var item in value.EnumerateArray())
        {
            var node = index < schema.PrefixItems.Count ? schema.PrefixItems[index] : schema.Items;
            if (node is not null)
            {
                Check(node, item, JsonProblem.Append(pointer, index.ToString(CultureInfo.InvariantCulture)), problems);
            }

            index++;
        }
    }

    private static void CheckString(JsonSchemaNode schema, string value, string pointer, List<JsonProblem> problems)
    {
        // Length counts code points: a surrogate pair is one.
        var length = value.Length - value.Count(char.IsLowSurrogate);
        if (length < schema.MinLength)
        {
            problems.Add(new(pointer, $"must have at least {schema.MinLength} characters"));
        }

        if (length > schema.MaxLength)
        {
            problems.Add(new(pointer, $"must have at most {schema.MaxLength} characters"));
        }

        if (schema.Pattern is { } pattern && !pattern.IsMatch(value))
        {
            problems.Add(new(pointer, $"must match {pattern}"));
        }
    }

    private static void CheckNumber(JsonSchemaNode schema, JsonElement value, string pointer, List<JsonProblem> problems)
    {
        // Beyond the range of decimal only the order matters: such a value is further out than any bound a schema can hold.
        var exact = value.TryGetDecimal(out var number);
        var far = exact ? 0 : Math.Sign(value.GetDouble());
        Bound(schema.Minimum, far < 0 || (far == 0 && number < schema.Minimum), "at least");
        Bound(schema.Maximum, far > 0 || (far == 0 && number > schema.Maximum), "at most");
        Bound(schema.ExclusiveMinimum, far < 0 || (far == 0 && number <= schema.ExclusiveMinimum), "above");
        Bound(schema.ExclusiveMaximum, far > 0 || (far == 0 && number >= schema.ExclusiveMaximum), "below");
        Bound(schema.MultipleOf, !exact || (schema.MultipleOf is { } unit && number % unit != 0), "a multiple of");

        void Bound(decimal? bound, bool broken, string relation)
        {
            if (bound is { } limit && broken)
            {
                problems.Add(new(pointer, string.Create(CultureInfo.InvariantCulture, $"must be {relation} {limit}")));
            }
        }
    }

    private void CheckCombinations(JsonSchemaNode schema, JsonElement value, string pointer, List<JsonProblem> problems)
    {
        if (schema.Reference is not null)
        {
            Check(schema.Reference, value, pointer, problems);
        }

        foreach (var part in schema.AllOf)
        {
            Check(part, value, pointer, problems);
        }

        if (schema.AnyOf.Count > 0 && !schema.AnyOf.Exists(part => Fits(part, value)))
        {
            problems.Add(new(pointer, $"fits none of the {schema.AnyOf.Count} alternatives"));
        }

        if (schema.OneOf.Count > 0 && schema.OneOf.Count(part => Fits(part, value)) is var fitting and not 1)
        {
            problems.Add(new(pointer, $"must fit exactly one of the {schema.OneOf.Count} alternatives, fits {fitting}"));
        }
    }

    private bool Fits(JsonSchemaNode schema, JsonElement value)
    {
        var problems = new List<JsonProblem>();
        Check(schema, value, "", problems);
        return problems.Count == 0;
    }

    private static JsonTypes TypesOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => JsonTypes.Null,
        JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
        JsonValueKind.String => JsonTypes.String,
        JsonValueKind.Array => JsonTypes.Array,
        JsonValueKind.Object => JsonTypes.Object,
        _ => IsWhole(value) ? JsonTypes.Number | JsonTypes.Integer : JsonTypes.Number,
    };

    // 1.0 and 1e3 are integers in 2020-12.
    private static bool IsWhole(JsonElement value) => value.TryGetDecimal(out var number)
        ? decimal.Truncate(number) == number
        : Math.Truncate(value.GetDouble()) == value.GetDouble();

    private static string Names(JsonTypes types) => string.Join(" or ",
        Enum.GetValues<JsonTypes>().Where(type => types.HasFlag(type)).Select(type => type.ToString().ToLowerInvariant()));
}
