using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>A request and the document it was read from, or the error to answer with. Whoever gets it disposes it.</summary>
internal readonly record struct RequestBody<TRequest>(TRequest? Request, JsonDocument? Document, ApiError? Error) : IDisposable
    where TRequest : class
{
    /// <summary>Checks the members of a body.</summary>
    public delegate bool Parser(JsonElement body, out TRequest? request, out ApiError? error);

    /// <summary>Reads the whole body, of at most <paramref name="limit"/> bytes.</summary>
    public static async Task<RequestBody<TRequest>> ReadAsync(HttpContext context, long limit, Parser parse)
    {
        var (document, error) = await JsonBody.ReadAsync(context.Request, limit, context.RequestAborted);
        if (document is null)
        {
            return new(null, null, error);
        }

        if (parse(document.RootElement, out var request, out error))
        {
            return new(request, document, null);
        }

        document.Dispose();
        return new(null, null, error);
    }

    /// <inheritdoc/>
    public void Dispose() => Document?.Dispose();
}
