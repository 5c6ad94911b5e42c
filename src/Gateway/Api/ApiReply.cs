using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Gateway.Api.Wire;

namespace Gateway.Api;

/// <summary>Builds the replies of the endpoints: one object, a list in OpenAI's form, or an error.</summary>
internal static class ApiReply
{
    /// <summary>One object.</summary>
    public static IResult Json<T>(T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK) =>
        Bytes(status, writer => JsonSerializer.Serialize(writer, value, type));

    /// <summary><c>{"object":"list","data":[…],"has_more":…}</c>.</summary>
    public static IResult List<T>(IEnumerable<T> items, JsonTypeInfo<T> type, bool hasMore = false) => Bytes(StatusCodes.Status200OK, writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("object", "list");
        writer.WriteStartArray("data");
        foreach (var item in items)
        {
            JsonSerializer.Serialize(writer, item, type);
        }

        writer.WriteEndArray();
        writer.WriteBoolean("has_more", hasMore);
        writer.WriteEndObject();
    });

    /// <summary>Whatever <paramref name="write"/> writes.</summary>
    public static IResult Bytes(int status, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, WireJson.WriterOptions))
        {
            write(writer);
        }

        return new JsonBytesResult(status, buffer.WrittenMemory);
    }

    /// <summary>An error from the table.</summary>
    public static IResult Error(ApiError error) => new ApiErrorResult(error);

    private sealed class JsonBytesResult(int status, ReadOnlyMemory<byte> json) : IResult
    {
        public async Task ExecuteAsync(HttpContext httpContext)
        {
            httpContext.Response.StatusCode = status;
            httpContext.Response.ContentType = "application/json";
            httpContext.Response.ContentLength = json.Length;
            await httpContext.Response.Body.WriteAsync(json, httpContext.RequestAborted);
        }
    }
}
