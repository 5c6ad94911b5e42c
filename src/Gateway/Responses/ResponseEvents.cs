using System.Buffers;
using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.Responses;

/// <summary>Writes typed server-sent events, counted from 0 over one stream. Used by one thread at a time.</summary>
internal sealed class ResponseEvents : IDisposable
{
    private readonly ArrayBufferWriter<byte> _data = new(512);
    private readonly Utf8JsonWriter _json = new(Stream.Null, WireJson.WriterOptions);
    private string _type = "";
    private long _sequence;

    /// <summary>Where events go.</summary>
    public IBufferWriter<byte> Output { get; set; } = new ArrayBufferWriter<byte>();

    /// <summary>Opens an event; its own members follow.</summary>
    public Utf8JsonWriter Begin(string type)
    {
        _type = type;
        _data.ResetWrittenCount();
        _json.Reset(_data);
        _json.WriteStartObject();
        _json.WriteString("type", type);
        _json.WriteNumber("sequence_number", _sequence++);
        return _json;
    }

    /// <summary>Closes the event and gives it out.</summary>
    public void End()
    {
        _json.WriteEndObject();
        _json.Flush();
        Output.Write("event: "u8);
        Encoding.UTF8.GetBytes(_type.AsSpan(), Output);
        Output.Write("\ndata: "u8);
        Output.Write(_data.WrittenSpan);
        Output.Write("\n\n"u8);
    }

    /// <inheritdoc/>
    public void Dispose() => _json.Dispose();
}
