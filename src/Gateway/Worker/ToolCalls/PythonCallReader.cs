using System.Globalization;
using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;

namespace Gateway.Worker.ToolCalls;

/// <summary>Reads one call as in Python, <c>name(key="text", n=1, flags=[True, None])</c>, and gives its arguments as JSON when it is whole.</summary>
internal sealed class PythonCallReader
{
    private const int MaximumDepth = 32;

    private readonly StringBuilder _text = new();
    private int _depth;
    private char _quote;
    private bool _escaped;

    /// <summary>The call, once it is whole.</summary>
    public (string Name, string Arguments)? Result { get; private set; }

    /// <summary>Takes the next character; false when the text is no call.</summary>
    public bool TryTake(char c)
    {
        _text.Append(c);
        if (_quote != '\0')
        {
            _quote = c == _quote && !_escaped ? '\0' : _quote;
            _escaped = c == '\\' && !_escaped;
            return true;
        }

        if (c is '"' or '\'')
        {
            (_quote, _escaped) = (c, false);
        }
        else if (c is '(' or '[' or '{')
        {
            _depth++;
        }
        else if (c is ')' or ']' or '}' && --_depth == 0)
        {
            Result = Parse(_text.ToString());
            return Result is not null;
        }

        // In front of the parenthesis stands a name and nothing else.
        return _depth > 0 || char.IsAsciiLetterOrDigit(c) || c is '_' or '.';
    }

    private static (string Name, string Arguments)? Parse(string text)
    {
        var open = text.IndexOf('(', StringComparison.Ordinal);
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, WireJson.WriterOptions))
        {
            var at = open + 1;
            if (open <= 0 || !TryMembers(text, ref at, writer))
            {
                return null;
            }
        }

        return (text[..open], Encoding.UTF8.GetString(buffer.ToArray()));
    }

    private static bool TryMembers(string text, ref int at, Utf8JsonWriter writer)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        writer.WriteStartObject();
        while (true)
        {
            Skip(text, ref at);
            if (Is(text, at, ')'))
            {
                writer.WriteEndObject();
                return true;
            }

            var start = at;
            while (at < text.Length && (char.IsLetterOrDigit(text[at]) || text[at] == '_'))
            {
                at++;
            }

            var name = text[start..at];
            Skip(text, ref at);
            if (name.Length == 0 || !names.Add(name) || !Is(text, at, '='))
            {
                return false;
            }

            at++;
            writer.WritePropertyName(name);
            if (!TryValue(text, ref at, writer, 0) || !TrySeparator(text, ref at, ')'))
            {
                return false;
            }
        }
    }

    private static bool TryValue(string text, ref int at, Utf8JsonWriter writer, int depth)
    {
        Skip(text, ref at);
        if (at >= text.Length || depth > MaximumDepth)
        {
            return false;
        }

        switch (text[at])
        {
            case '"' or '\'':
                if (Text(text, ref at) is not { } value)
                {
                    return false;
                }

                writer.WriteStringValue(value);
                return true;
            case '[' or '(':
                return TryList(text, ref at, writer, depth);
            case '{':
                return TryDictionary(text, ref at, writer, depth);
            default:
                return TryWord(text, ref at, writer);
        }
    }

    private static bool TryList(string text, ref int at, Utf8JsonWriter writer, int depth)
    {
        var close = text[at++] == '[' ? ']' : ')';
        writer.WriteStartArray();
        while (true)
        {
            Skip(text, ref at);
            if (Is(text, at, close))
            {
                at++;
                writer.WriteEndArray();
                return true;
            }

            if (!TryValue(text, ref at, writer, depth + 1) || !TrySeparator(text, ref at, close))
            {
                return false;
            }
        }
    }

    private static bool TryDictionary(string text, ref int at, Utf8JsonWriter writer, int depth)
    {
        at++;
        writer.WriteStartObject();
        while (true)
        {
            Skip(text, ref at);
            if (Is(text, at, '}'))
            {
                at++;
                writer.WriteEndObject();
                return true;
            }

            if (at >= text.Length || text[at] is not ('"' or '\'') || Text(text, ref at) is not { } key)
            {
                return false;
            }

            Skip(text, ref at);
            if (!Is(text, at, ':'))
            {
                return false;
            }

            at++;
            writer.WritePropertyName(key);
            if (!TryValue(text, ref at, writer, depth + 1) || !TrySeparator(text, ref at, '}'))
            {
                return false;
            }
        }
    }

    private static bool TryWord(string text, ref int at, Utf8JsonWriter writer)
    {
        var start = at;
        while (at < text.Length && (char.IsLetterOrDigit(text[at]) || text[at] is '+' or '-' or '.' or '_'))
        {
            at++;
        }

        var word = text[start..at];
        switch (word)
        {
            case "True" or "true":
                writer.WriteBooleanValue(true);
                return true;
            case "False" or "false":
                writer.WriteBooleanValue(false);
                return true;
            case "None" or "null":
                writer.WriteNullValue();
                return true;
        }

        if (long.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer))
        {
            writer.WriteNumberValue(integer);
            return true;
        }

        if (double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number))
        {
            writer.WriteNumberValue(number);
            return true;
        }

        return false;
    }

    private static string? Text(string text, ref int at)
    {
        var quote = text[at++];
        var value = new StringBuilder();
        for (; at < text.Length; at++)
        {
            if (text[at] == quote)
            {
                at++;
                return value.ToString();
            }

            if (text[at] != '\\' || at + 1 == text.Length)
            {
                value.Append(text[at]);
                continue;
            }

            value.Append(text[++at] switch
            {
                'n' => "\n",
                't' => "\t",
                'r' => "\r",
                '\\' or '\'' or '"' => text[at].ToString(),
                _ => $"\\{text[at]}",
            });
        }

        return null;
    }

    /// <summary>A comma, or nothing in front of the end.</summary>
    private static bool TrySeparator(string text, ref int at, char close)
    {
        Skip(text, ref at);
        if (Is(text, at, ','))
        {
            at++;
            return true;
        }

        return Is(text, at, close);
    }

    private static void Skip(string text, ref int at)
    {
        while (at < text.Length && char.IsWhiteSpace(text[at]))
        {
            at++;
        }
    }

    private static bool Is(string text, int at, char c) => at < text.Length && text[at] == c;
}
