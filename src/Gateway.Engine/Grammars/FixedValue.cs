using System.Text.Json;

namespace Gateway.Engine.Grammars;

/// <summary>Decides whether a value of enum or const obeys the keywords that stand beside it.</summary>
internal static class FixedValue
{
    /// <exception cref="GrammarException">The value is a container and schemas constrain containers, too.</exception>
    public static bool Fits(JsonElement value, SchemaTypes types, NumberBounds bounds, SchemaNode[] schemas, StringCompiler strings)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return types.HasFlag(SchemaTypes.Null);
            case JsonValueKind.True or JsonValueKind.False:
                return types.HasFlag(SchemaTypes.Boolean);
            case JsonValueKind.String:
                return types.HasFlag(SchemaTypes.String) && strings.Fits(value.GetString()!, schemas);
            case JsonValueKind.Number:
                return FitsNumber(value, types, bounds);
        }

        if (!types.HasFlag(value.ValueKind == JsonValueKind.Array ? SchemaTypes.Array : SchemaTypes.Object))
        {
            return false;
        }

        return Array.Find(schemas, SchemaCompiler.Constrains) is { } constraining
            ? throw new GrammarException(constraining.Pointer, "constrains objects or arrays that enum or const fixes already: list only values that fit, without further keywords")
            : true;
    }

    private static bool FitsNumber(JsonElement value, SchemaTypes types, NumberBounds bounds)
    {
        if (!value.TryGetDecimal(out var number))
        {
            // Beyond the range of decimal: a number like any other while nothing is said about it.
            return bounds == NumberBounds.None && types.HasFlag(SchemaTypes.Fraction);
        }

        return types.HasFlag(decimal.Truncate(number) == number ? SchemaTypes.Integer : SchemaTypes.Fraction)
            && (bounds.Lower is not { } lower || number > lower.Value || (number == lower.Value && !lower.IsExclusive))
            && (bounds.Upper is not { } upper || number < upper.Value || (number == upper.Value && !upper.IsExclusive))
            && (bounds.MultipleOf is not { } unit || number % unit == 0);
    }
}
