using System.Globalization;
using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>
/// Reads typed fields of a request body. The first failure is kept in <see cref="Error"/> and names the field's dotted path;
/// after it every method returns null, so callers check once at the end.
/// </summary>
public sealed class FieldReader
{
    /// <summary>The first failure, or null.</summary>
    public ApiError? Error { get; private set; }

    /// <summary>Records <paramref name="error"/> unless an earlier one is kept.</summary>
    public void Fail(ApiError error) => Error ??= error;

    /// <summary>A string.</summary>
    public string? Text(JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.String)
        {
            return value.GetString();
        }

        Fail(ApiError.InvalidValue(path, "expected a string."));
        return null;
    }

    /// <summary>A boolean.</summary>
    public bool? Truth(JsonElement value, string path)
    {
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return value.GetBoolean();
        }

        Fail(ApiError.InvalidValue(path, "expected true or false."));
        return null;
    }

    /// <summary>A finite number within the bounds, both included.</summary>
    public double? Number(JsonElement value, string path, double minimum, double maximum)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= minimum && number <= maximum)
        {
            return number;
        }

        Fail(ApiError.InvalidValue(path, string.Create(CultureInfo.InvariantCulture, $"expected a number from {minimum} to {maximum}.")));
        return null;
    }

    /// <summary>An integer within the bounds, both included.</summary>
    public long? Integer(JsonElement value, string path, long minimum, long maximum)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= minimum && number <= maximum)
        {
            return number;
        }

        Fail(ApiError.InvalidValue(path, string.Create(CultureInfo.InvariantCulture, $"expected an integer from {minimum} to {maximum}.")));
        return null;
    }

    /// <summary>An array of token ids.</summary>
    public IReadOnlyList<int>? Integers(JsonElement value, string path, int most)
    {
        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() <= most
            && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out var id) && id >= 0))
        {
            return [.. value.EnumerateArray().Select(item => item.GetInt32())];
        }

        Fail(ApiError.InvalidValue(path, string.Create(CultureInfo.InvariantCulture, $"expected an array of at most {most} token ids.")));
        return null;
    }

    /// <summary>The value itself when it has the expected kind.</summary>
    public JsonElement? OfKind(JsonElement value, string path, JsonValueKind kind)
    {
        if (value.ValueKind == kind)
        {
            return value;
        }

        Fail(ApiError.InvalidValue(path, kind == JsonValueKind.Array ? "expected an array." : "expected an object."));
        return null;
    }
}
