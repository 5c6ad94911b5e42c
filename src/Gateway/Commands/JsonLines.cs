using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Gateway.Commands;

/// <summary>
/// The loop of the inspectors: JSON Lines on standard input, exactly one JSON line per input line on standard output and
/// nothing else. A line that cannot be served answers <c>{"error"}</c> and the next one is read.
/// </summary>
internal static class JsonLines
{
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Answers every line; <paramref name="answer"/> writes the members of one object or throws <see cref="BadLineException"/>.</summary>
    public static int Run(Action<JsonElement, Utf8JsonWriter> answer)
    {
        using var input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false));
        using var output = new BufferedStream(Console.OpenStandardOutput());
        while (input.ReadLine() is { } line)
        {
            if (line.Length == 0)
            {
                continue;
            }

            var buffer = new MemoryStream();
            try
            {
                using var json = JsonDocument.Parse(line);
                if (json.RootElement.ValueKind != JsonValueKind.Object)
                {
                    throw new BadLineException("expected a JSON object on every line");
                }

                Write(buffer, writer => answer(json.RootElement, writer));
            }
            catch (Exception e) when (e is BadLineException or JsonException)
            {
                buffer = new MemoryStream();
                Write(buffer, writer => writer.WriteString("error", e.Message));
            }

            buffer.WriteByte((byte)'\n');
            output.Write(buffer.GetBuffer(), 0, (int)buffer.Length);
            output.Flush();
        }

        return 0;
    }

    /// <summary>A required text member.</summary>
    public static string Text(JsonElement line, string name)
    {
        try
        {
            return line.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
                ? value.GetString()!
                : throw new BadLineException($"expected a string \"{name}\"");
        }
        catch (InvalidOperationException)
        {
            throw new BadLineException($"\"{name}\" holds a lone surrogate, which is not a character");
        }
    }

    /// <summary>Writes an array of ids.</summary>
    public static void WriteIds(Utf8JsonWriter writer, ReadOnlySpan<int> ids)
    {
        writer.WriteStartArray("ids");
        foreach (var id in ids)
        {
            writer.WriteNumberValue(id);
        }

        writer.WriteEndArray();
    }

    private static void Write(MemoryStream buffer, Action<Utf8JsonWriter> members)
    {
        using var writer = new Utf8JsonWriter(buffer, Readable);
        writer.WriteStartObject();
        members(writer);
        writer.WriteEndObject();
    }
}

/// <summary>An input line cannot be served; the message says what is expected.</summary>
internal sealed class BadLineException(string message) : Exception(message);
