using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>How JSON is written on the wire.</summary>
internal static class WireJson
{
    /// <summary>Text stays readable: only what JSON demands is escaped; nothing here is ever embedded in HTML.</summary>
    public static JsonWriterOptions WriterOptions { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>An element of what is written, on its own.</summary>
    public static JsonElement Element(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, WriterOptions))
        {
            write(writer);
        }

        // What is written may hold a body's deepest value inside further ones.
        using var document = JsonDocument.Parse(buffer.ToArray(), new JsonDocumentOptions { MaxDepth = 256 });
        return document.RootElement.Clone();
    }
}
