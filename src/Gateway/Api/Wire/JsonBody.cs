using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;

namespace Gateway.Api.Wire;

/// <summary>A request body read as JSON: either a document, which the receiver disposes, or the error to answer with.</summary>
public readonly record struct JsonBody(JsonDocument? Document, ApiError? Error)
{
    /// <summary>Objects and arrays may be nested this deep.</summary>
    public const int MaximumDepth = 64;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>
    /// Reads the whole body. Refuses other media types, bodies above <paramref name="limit"/> bytes, malformed JSON, and strings
    /// that are not valid Unicode, so that later <c>GetString</c> calls cannot fail. A leading byte order mark is dropped.
    /// </summary>
    public static async Task<JsonBody> ReadAsync(HttpRequest request, long limit, CancellationToken cancellation)
    {
        if (!request.HasJsonContentType())
        {
            return new(null, ApiError.UnsupportedMediaType());
        }

        if (request.ContentLength > limit)
        {
            return new(null, ApiError.RequestTooLarge(limit));
        }

        try
        {
            while (true)
            {
                var result = await request.BodyReader.ReadAsync(cancellation);
                if (result.Buffer.Length > limit)
                {
                    request.BodyReader.AdvanceTo(result.Buffer.End);
                    return new(null, ApiError.RequestTooLarge(limit));
                }

                if (result.IsCompleted)
                {
                    // The pipe takes its memory back, so the document must own a copy.
                    var body = Parse(result.Buffer.ToArray());
                    request.BodyReader.AdvanceTo(result.Buffer.End);
                    return body;
                }

                request.BodyReader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            }
        }
        catch (BadHttpRequestException failure)
        {
            return new(null, failure.StatusCode switch
            {
                StatusCodes.Status408RequestTimeout => ApiError.RequestTimeout(),
                StatusCodes.Status413PayloadTooLarge => ApiError.RequestTooLarge(limit),
                _ => ApiError.InvalidJson("the body could not be read to its end."),
            });
        }
    }

    /// <summary>Parses a complete body; <paramref name="utf8"/> must not change while the document lives.</summary>
    public static JsonBody Parse(ReadOnlyMemory<byte> utf8)
    {
        if (utf8.Span.StartsWith(ByteOrderMark))
        {
            utf8 = utf8[ByteOrderMark.Length..];
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaximumDepth });
        }
        catch (JsonException) when (IsTooDeep(utf8.Span))
        {
            return new(null, ApiError.InvalidJson($"it is nested deeper than {MaximumDepth} levels."));
        }
        catch (JsonException failure)
        {
            return new(null, ApiError.InvalidJson($"error at line {failure.LineNumber + 1}, byte {failure.BytePositionInLine}."));
        }

        if ((Utf8.IsValid(utf8.Span) && utf8.Span.IndexOf("\\u"u8) < 0) || HasOnlyValidText(document.RootElement))
        {
            return new(document, null);
        }

        document.Dispose();
        return new(null, ApiError.InvalidJson("a string is not valid Unicode."));
    }

    private static bool IsTooDeep(ReadOnlySpan<byte> utf8)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = int.MaxValue });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray && reader.CurrentDepth >= MaximumDepth)
                {
                    return true;
                }
            }
        }
        catch (JsonException)
        {
            // Malformed before it got too deep.
        }

        return false;
    }

    /// <summary>The parser accepts lone surrogates, as escapes, and broken UTF-8 inside strings; reading such a string throws.</summary>
    private static bool HasOnlyValidText(JsonElement root)
    {
        try
        {
            Visit(root);
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }

        static void Visit(JsonElement element)
        {
            switch (element.ValueKind)
            {
                case JsonValueKind.String:
                    _ = element.GetString();
                    break;
                case JsonValueKind.Array:
                    foreach (var item in element.EnumerateArray())
                    {
                        Visit(item);
                    }

                    break;
                case JsonValueKind.Object:
                    foreach (var property in element.EnumerateObject())
                    {
                        _ = property.Name;
                        Visit(property.Value);
                    }

                    break;
            }
        }
    }
}
