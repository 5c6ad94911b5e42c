using System.Globalization;

namespace Gateway.Model.Text.Templates;

/// <summary>What stands behind <c>|</c>.</summary>
internal delegate Value Filter(RenderState state, Value value, Arguments arguments);

/// <summary>Jinja's filters for text and numbers; those for sequences are in <see cref="SequenceFilters"/>.</summary>
internal static class Filters
{
    private static readonly Dictionary<string, Filter> s_byName = new(StringComparer.Ordinal)
    {
        ["tojson"] = (s, v, a) => Json(s, v, a),
        ["trim"] = (_, v, a) => Methods.Trim(PythonText.Str(v), a, left: true, right: true),
        ["default"] = (_, v, a) => Default(v, a.AtMost(2, "default_value", "boolean")),
        ["d"] = (_, v, a) => Default(v, a.AtMost(2, "default_value", "boolean")),
        ["upper"] = (_, v, _) => Rewrite(v, t => t.ToUpperInvariant()),
        ["lower"] = (_, v, _) => Rewrite(v, t => t.ToLowerInvariant()),
        ["capitalize"] = (_, v, _) => Rewrite(v, Methods.Capitalize),
        ["title"] = (_, v, _) => Rewrite(v, t => Methods.Title(t, c => !char.IsWhiteSpace(c) && !"-({[<".Contains(c, StringComparison.Ordinal))),
        ["replace"] = (s, v, a) => Methods.Replace(
            PythonText.Str(v), a.AtMost(3, "old", "new", "count").Required(0, "old"), a.Required(1, "new"), a.Find(2, "count"), s),
        ["indent"] = (s, v, a) => Indent(s, PythonText.Str(v), a.AtMost(3, "width", "first", "blank")),
        ["string"] = (_, v, _) => new StringValue(PythonText.Str(v)),
        ["safe"] = (_, v, _) => v,
        ["escape"] = (_, v, _) => Escape(v),
        ["e"] = (_, v, _) => Escape(v),
        ["wordcount"] = (_, v, _) => Value.Of(PythonText.Str(v).Text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length),
        ["int"] = (_, v, a) => Integer(v, a.AtMost(2, "default", "base")),
        ["float"] = (_, v, a) => Float(v, a.AtMost(1, "default")),
        ["abs"] = (_, v, _) => Operators.Compare(v, Value.Of(0)) < 0 ? Operators.Negate(v) : v,
        ["round"] = (_, v, a) => Round(v, a.AtMost(2, "precision", "method")),
        ["items"] = (_, v, a) => Items(v, a.AtMost(0)),
    };

    public static Filter? Find(string name) => s_byName.GetValueOrDefault(name) ?? SequenceFilters.Find(name);

    /// <summary>The pairs of a dictionary; none of an undefined value.</summary>
    public static ListValue Items(Value value, Arguments checkedArguments)
    {
        _ = checkedArguments;
        return value switch
        {
            DictionaryValue dictionary => new ListValue([.. dictionary.Items.Select(i => new ListValue([i.Key, i.Value], IsTuple: true))]),
            UndefinedValue => new ListValue([]),
            _ => throw TemplateException.Runtime($"can only get item pairs from a mapping, not from {value.TypeName}."),
        };
    }

    private static StringValue Json(RenderState state, Value value, Arguments arguments)
    {
        var text = JsonText.Write(value, JsonStyle.From(arguments));
        state.CountText(text.Text.Length);
        return new StringValue(text);
    }

    private static Value Default(Value value, Arguments arguments)
    {
        var replaces = value is UndefinedValue || (!value.IsTrue && (arguments.Find(1, "boolean")?.IsTrue ?? false));
        return replaces ? arguments.Find(0, "default_value") ?? Value.Of("") : value;
    }

    private static StringValue Rewrite(Value value, Func<string, string> rewrite)
    {
        var text = PythonText.Str(value);
        return new StringValue(text.Rewritten(rewrite(text.Text)));
    }

    private static StringValue Escape(Value value) => Rewrite(value, t => t
        .Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("'", "&#39;", StringComparison.Ordinal)
        .Replace("\"", "&#34;", StringComparison.Ordinal));

    private static StringValue Indent(RenderState state, MarkedText text, Arguments arguments)
    {
        var prefix = arguments.Find(0, "width") switch
        {
            null => "    ",
            StringValue given => given.Text,
            var width => new string(' ', (int)Math.Clamp(Operators.AsInteger(width) ?? 4, 0, 1024)),
        };
        var (first, blank) = (arguments.Find(1, "first")?.IsTrue ?? false, arguments.Find(2, "blank")?.IsTrue ?? false);
        var builder = new MarkedTextBuilder();
        for (int at = 0, line = 0; at <= text.Text.Length; line++)
        {
            var end = text.Text.IndexOf('\n', at) is >= 0 and var found ? found : text.Text.Length;
            if (line == 0 ? first : blank || end > at)
                builder.Append(prefix);
            builder.Append(text, at, Math.Min(end + 1, text.Text.Length) - at);
            at = end + 1;
        }

        state.CountText(builder.Length);
        return new StringValue(builder.ToText());
    }

    private static Value Integer(Value value, Arguments arguments)
    {
        var otherwise = arguments.Find(0, "default") ?? Value.Of(0);
        if (arguments.Find(1, "base") is { } radix && Operators.AsInteger(radix) is not 10)
            throw TemplateException.Runtime("int: only base 10 is supported.");
        return value switch
        {
            _ when Operators.AsInteger(value) is { } integer => Value.Of(integer),
            FloatValue { Content: > -9e18 and < 9e18 } number => Value.Of((long)number.Content),
            StringValue text when long.TryParse(text.Text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var parsed) => Value.Of(parsed),
            StringValue text when TryFloat(text.Text, out var parsed) && Math.Abs(parsed) < 9e18 => Value.Of((long)parsed),
            _ => otherwise,
        };
    }

    private static Value Float(Value value, Arguments arguments) => value switch
    {
        _ when Operators.AsNumber(value) is { } number => new FloatValue(number),
        StringValue text when TryFloat(text.Text, out var parsed) => new FloatValue(parsed),
        _ => arguments.Find(0, "default") ?? new FloatValue(0),
    };

    private static bool TryFloat(string text, out double number) =>
        double.TryParse(text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out number);

    /// <summary>Half to even, as Python rounds; the result is a float.</summary>
    private static FloatValue Round(Value value, Arguments arguments)
    {
        var number = Operators.AsNumber(value) ?? throw TemplateException.Runtime($"round needs a number, not {value.TypeName}.");
        var precision = (int)Math.Clamp(Operators.AsInteger(arguments.Find(0, "precision") ?? Value.Of(0)) ?? 0, -15, 15);
        var scale = Math.Pow(10, precision);
        return new FloatValue((arguments.Find(1, "method") is { } method ? Methods.Text(method) : "common") switch
        {
            "common" => precision >= 0 ? Math.Round(number, precision) : Math.Round(number * scale) / scale,
            "ceil" => Math.Ceiling(number * scale) / scale,
            "floor" => Math.Floor(number * scale) / scale,
            var other => throw TemplateException.Runtime($"round: the method '{other}' is not known; use common, ceil or floor."),
        });
    }
}
