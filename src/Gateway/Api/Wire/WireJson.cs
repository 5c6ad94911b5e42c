using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gateway.Api.Wire;

/// <summary>How JSON is written on the wire.</summary>
internal static class WireJson
{
    /// <summary>Text stays readable: only what JSON demands is escaped; nothing here is ever embedded in HTML.</summary>
    public static JsonWriterOptions WriterOptions { get; } = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
