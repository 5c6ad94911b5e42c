using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Api.Wire;

namespace Gateway.Api;

/// <summary>Reads the bodies of operators' requests strictly: a misspelled member is an error, not ignored.</summary>
internal static class ControlBody
{
    private const long MaximumBytes = 4 << 20;

    /// <summary>The body, or the error to answer with; exactly one is set.</summary>
    public static async Task<(T? Value, ApiError? Error)> ReadAsync<T>(HttpRequest request, JsonTypeInfo<T> type)
        where T : class
    {
        var body = await JsonBody.ReadAsync(request, MaximumBytes, request.HttpContext.RequestAborted);
        using var document = body.Document;
        return document is null ? (null, body.Error) : Read(document.RootElement, type);
    }

    /// <summary>Like <see cref="ReadAsync"/>, for a call whose body may be left out.</summary>
    public static async Task<(T? Value, ApiError? Error)> ReadOptionalAsync<T>(HttpRequest request, JsonTypeInfo<T> type, T empty)
        where T : class => request.ContentLength is null or 0 && !request.HasJsonContentType() ? (empty, null) : await ReadAsync(request, type);

    private static (T? Value, ApiError? Error) Read<T>(JsonElement root, JsonTypeInfo<T> type)
        where T : class
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            return (null, ApiError.InvalidJson("the body is not an object."));
        }

        foreach (var member in root.EnumerateObject())
        {
            if (!type.Properties.Any(property => property.Name == member.Name))
            {
                return (null, ApiError.UnknownParameter(member.Name));
            }
        }

        try
        {
            return (root.Deserialize(type), null);
        }
        catch (JsonException failure)
        {
            var path = failure.Path is { Length: > 2 } found ? found[2..] : "body";
            return (null, ApiError.InvalidValue(path, "its type or value is not what this member takes. See docs/api.md."));
        }
    }
}
