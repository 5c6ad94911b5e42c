using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Domain.Json;

/// <summary>
/// Writes JSON in one canonical form, for hashing: members sorted by ordinal name, no insignificant white space, numbers as
/// they stand in the source (1 and 1.0 differ), and only quotation marks, backslashes and control characters escaped.
/// </summary>
public static class CanonicalJson
{
    /// <summary>The canonical text of <paramref name="element"/>.</summary>
    /// <exception cref="InvalidOperationException">A string holds half a surrogate pair, which no UTF-8 text can carry.</exception>
    public static string Write(JsonElement element)
    {
        var text = new StringBuilder();
        Write(element, text);
        return text.ToString();
    }

    /// <summary>The canonical text of the JSON document <paramref name="json"/>.</summary>
    /// <exception cref="JsonException">The text is not JSON.</exception>
    public static string Write(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        return Write(document.RootElement);
    }

    private static void Write(JsonElement element, StringBuilder text)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                var first = true;
                foreach (var member in element.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal))
                {
                    AppendSeparator(text, ref first);
                    WriteString(member.Name, text);
                    text.Append(':');
                    Write(member.Value, text);
                }

                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                first = true;
                foreach (var item in element.EnumerateArray())
                {
                    AppendSeparator(text, ref first);
                    Write(item, text);
                }

                text.Append(']');
                break;
            case JsonValueKind.String:
                WriteString(element.GetString()!, text);
                break;
            case JsonValueKind.Undefined:
                throw new ArgumentException("An undefined JSON element has no canonical form.", nameof(element));
            default:
                text.Append(element.GetRawText());
                break;
        }
    }

    private static void AppendSeparator(StringBuilder text, ref bool first)
    {
        if (!first)
        {
            text.Append(',');
        }

        first = false;
    }

    // Own escaping: the built-in encoders follow the runtime's Unicode tables, and a hash must not change with the runtime.
    private static void WriteString(string value, StringBuilder text)
    {
        text.Append('"');
        foreach (var c in value)
        {
            switch (c)
            {
                case '"':
                    text.Append("\\\"");
                    break;
                case '\\':
                    text.Append("\\\\");
                    break;
                case < ' ':
                    text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                    break;
                default:
                    text.Append(c);
                    break;
            }
        }

        text.Append('"');
    }
}
