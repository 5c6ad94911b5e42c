using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Gateway.Engine.Grammars;

/// <summary>
/// The one spelling of fixed JSON values: compact, strings with only the escapes that JSON demands (short ones where they exist,
/// else \u00xx in lower case), whole numbers without fraction or exponent. Equal values have equal bytes.
/// </summary>
internal static class JsonSpelling
{
    /// <summary>A value as bytes.</summary>
    public static byte[] Bytes(JsonElement value)
    {
        var text = new StringBuilder();
        Append(text, value);
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>A string with its quotes as bytes.</summary>
    public static byte[] Quoted(string value)
    {
        var text = new StringBuilder();
        AppendQuoted(text, value);
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>The letter of the short escape of a control character, quote or backslash; null where there is none.</summary>
    public static char? ShortEscape(int character) => character switch
    {
        '"' => '"',
        '\\' => '\\',
        '\b' => 'b',
        '\f' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        _ => null,
    };

    private static void Append(StringBuilder text, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                text.Append('{');
                foreach (var (index, member) in value.EnumerateObject().Index())
                {
                    AppendQuoted(index > 0 ? text.Append(',') : text, member.Name);
                    Append(text.Append(':'), member.Value);
                }

                text.Append('}');
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (var (index, item) in value.EnumerateArray().Index())
                {
                    Append(index > 0 ? text.Append(',') : text, item);
                }

                text.Append(']');
                break;
            case JsonValueKind.String:
                AppendQuoted(text, value.GetString()!);
                break;
            case JsonValueKind.Number when value.TryGetDecimal(out var number) && decimal.Truncate(number) == number:
                text.Append(decimal.Truncate(number).ToString(CultureInfo.InvariantCulture));
                break;
            default:
                text.Append(value.GetRawText());
                break;
        }
    }

    private static void AppendQuoted(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (var character in value)
        {
            if (ShortEscape(character) is { } letter)
            {
                text.Append('\\').Append(letter);
            }
            else if (character < ' ')
            {
                text.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            }
            else
            {
                text.Append(character);
            }
        }

        text.Append('"');
    }
}
