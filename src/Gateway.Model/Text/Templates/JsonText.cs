using System.Globalization;
using System.Text;

namespace Gateway.Model.Text.Templates;

/// <summary>How <c>tojson</c> writes, in the words of Python's <c>json.dumps</c>.</summary>
internal sealed record JsonStyle(string? Indent, string ItemSeparator, string KeySeparator, bool SortKeys, bool EscapesNonAscii)
{
    public static JsonStyle From(Arguments arguments)
    {
        arguments.AtMost(1, "ensure_ascii", "indent", "separators", "sort_keys");
        // The filter takes ensure_ascii first: {{ x | tojson(true) }}.
        var escapes = arguments.Find(0, "ensure_ascii")?.IsTrue ?? false;
        var indent = arguments.Named.GetValueOrDefault("indent") switch
        {
            null or NoneValue => null,
            IntegerValue width => new string(' ', (int)Math.Clamp(width.Content, 0, 64)),
            StringValue text => text.Text,
            var other => throw TemplateException.Runtime($"tojson takes an integer or a string as indent, not {other.TypeName}."),
        };
        var (item, key) = (indent is null ? ", " : ",", ": ");
        if (arguments.Named.GetValueOrDefault("separators") is { } separators and not NoneValue)
        {
            if (separators is not ListValue { Items: [StringValue first, StringValue second] })
                throw TemplateException.Runtime("tojson takes two strings as separators.");
            (item, key) = (first.Text, second.Text);
        }

        return new JsonStyle(indent, item, key, arguments.Named.GetValueOrDefault("sort_keys")?.IsTrue ?? false, escapes);
    }
}

/// <summary>
/// Writes JSON as Python's <c>json.dumps</c>: its separators, key order and floats; System.Text.Json differs in all three.
/// </summary>
internal static class JsonText
{
    public static MarkedText Write(Value value, JsonStyle style)
    {
        var builder = new MarkedTextBuilder();
        Write(value, style, builder, 0);
        return builder.ToText();
    }

    private static void Write(Value value, JsonStyle style, MarkedTextBuilder into, int depth)
    {
        if (depth > 64)
            throw new TemplateException(TemplateErrorKind.Limit, "tojson: a value is nested more than 64 levels deep; pass flatter data.");
        switch (value)
        {
            case StringValue text:
                into.Append(Quoted(text.Text, style.EscapesNonAscii), text.Content.Origins);
                break;
            case ListValue list:
                WriteAll('[', list.Items, ']', style, into, depth, item => Write(item, style, into, depth + 1));
                break;
            case DictionaryValue dictionary:
                var items = style.SortKeys ? dictionary.Items.OrderBy(i => i.Key, Operators.Order) : dictionary.Items;
                WriteAll('{', [.. items], '}', style, into, depth, item =>
                {
                    WriteKey(item.Key, style, into);
                    into.Append(style.KeySeparator);
                    Write(item.Value, style, into, depth + 1);
                });
                break;
            default:
                into.Append(Scalar(value));
                break;
        }
    }

    private static void WriteAll<T>(
        char open, IReadOnlyList<T> items, char close, JsonStyle style, MarkedTextBuilder into, int depth, Action<T> write)
    {
        into.Append(open.ToString());
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0)
                into.Append(style.ItemSeparator);
            NewLine(style, into, depth + 1);
            write(items[i]);
        }

        if (items.Count > 0)
            NewLine(style, into, depth);
        into.Append(close.ToString());
    }

    private static void NewLine(JsonStyle style, MarkedTextBuilder into, int depth)
    {
        if (style.Indent is not null)
            into.Append("\n" + string.Concat(Enumerable.Repeat(style.Indent, depth)));
    }

    private static void WriteKey(Value key, JsonStyle style, MarkedTextBuilder into)
    {
        if (key is StringValue text)
            into.Append(Quoted(text.Text, style.EscapesNonAscii), text.Content.Origins);
        else
            into.Append($"\"{Scalar(key)}\"");
    }

    private static string Scalar(Value value) => value switch
    {
        NoneValue => "null",
        BoolValue flag => flag.Content ? "true" : "false",
        IntegerValue number => number.Content.ToString(CultureInfo.InvariantCulture),
        FloatValue { Content: double.NaN } => "NaN",
        FloatValue { Content: double.PositiveInfinity } => "Infinity",
        FloatValue { Content: double.NegativeInfinity } => "-Infinity",
        FloatValue number => PythonText.Float(number.Content),
        UndefinedValue undefined => throw undefined.Error(),
        _ => throw TemplateException.Runtime($"Object of type {value.TypeName} is not JSON serializable."),
    };

    private static string Quoted(string text, bool escapesNonAscii)
    {
        var result = new StringBuilder(text.Length + 2).Append('"');
        foreach (var unit in text)
        {
            var escape = unit switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                '\b' => "\\b",
                '\f' => "\\f",
                _ => null,
            };
            if (escape is not null)
                result.Append(escape);
            else if (unit < ' ' || (escapesNonAscii && unit > '~'))
                result.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}");
            else
                result.Append(unit);
        }

        return result.Append('"').ToString();
    }
}
