using System.Text;

namespace Gateway.Model.Text.Templates;

/// <summary>The methods of Python's strings, lists and dictionaries that templates call.</summary>
internal static class Methods
{
    private delegate Value StringMethod(MarkedText text, Arguments arguments, RenderState state);

    private static readonly Dictionary<string, StringMethod> s_ofStrings = new(StringComparer.Ordinal)
    {
        ["strip"] = (t, a, _) => Trim(t, a, left: true, right: true),
        ["lstrip"] = (t, a, _) => Trim(t, a, left: true, right: false),
        ["rstrip"] = (t, a, _) => Trim(t, a, left: false, right: true),
        ["split"] = (t, a, _) => Split(t, a.AtMost(2, "sep", "maxsplit"), fromRight: false),
        ["rsplit"] = (t, a, _) => Split(t, a.AtMost(2, "sep", "maxsplit"), fromRight: true),
        ["splitlines"] = (t, a, _) => SplitLines(t, a.AtMost(1, "keepends").Find(0, "keepends")?.IsTrue ?? false),
        ["startswith"] = (t, a, _) => Value.Of(Affixes(a).Any(p => t.Text.StartsWith(p, StringComparison.Ordinal))),
        ["endswith"] = (t, a, _) => Value.Of(Affixes(a).Any(p => t.Text.EndsWith(p, StringComparison.Ordinal))),
        ["removeprefix"] = (t, a, _) => Affixes(a)[0] is var p && t.Text.StartsWith(p, StringComparison.Ordinal)
            ? new StringValue(t.Slice(p.Length, t.Text.Length - p.Length)) : new StringValue(t),
        ["removesuffix"] = (t, a, _) => Affixes(a)[0] is var p && t.Text.EndsWith(p, StringComparison.Ordinal)
            ? new StringValue(t.Slice(0, t.Text.Length - p.Length)) : new StringValue(t),
        ["upper"] = (t, a, _) => new StringValue(t.Rewritten(Case(t.Text, a.AtMost(0)).ToUpperInvariant())),
        ["lower"] = (t, a, _) => new StringValue(t.Rewritten(Case(t.Text, a.AtMost(0)).ToLowerInvariant())),
        ["title"] = (t, a, _) => new StringValue(t.Rewritten(Title(Case(t.Text, a.AtMost(0)), char.IsLetter))),
        ["capitalize"] = (t, a, _) => new StringValue(t.Rewritten(Capitalize(Case(t.Text, a.AtMost(0))))),
        ["replace"] = (t, a, s) => Replace(t, a.AtMost(3, "count").Required(0, "old"), a.Required(1, "new"), a.Find(2, "count"), s),
        ["join"] = (t, a, s) => Join(Sequences.Items(a.AtMost(1).Required(0, "iterable")), t, s),
        ["count"] = (t, a, _) => Value.Of(t.Text.Split(Text(a.AtMost(1).Required(0, "sub"))).Length - 1),
        ["find"] = (t, a, _) => t.Text.IndexOf(Text(a.AtMost(1).Required(0, "sub")), StringComparison.Ordinal) is >= 0 and var at
            ? Value.Of(Sequences.CountCharacters(t.Text.AsSpan(0, at))) : Value.Of(-1),
        ["isdigit"] = (t, a, _) => Value.Of(t.Text.Length > 0 && t.Text.All(char.IsDigit)),
        ["format"] = (t, a, _) => Format(t, a),
    };

    /// <summary>What would change a list or dictionary; the sandbox of chat templates is immutable.</summary>
    private static readonly HashSet<string> s_changing = new(StringComparer.Ordinal)
    {
        "append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse", "update", "setdefault", "popitem",
    };

    /// <summary>A method of a value, or null; the call is bound to it.</summary>
    public static Value? Find(Value owner, string name)
    {
        switch (owner)
        {
            case StringValue text when s_ofStrings.TryGetValue(name, out var method):
                return new FunctionValue(name, (state, arguments) => method(text.Content, arguments, state));
            case DictionaryValue or ListValue when s_changing.Contains(name):
                return new FunctionValue(name, (_, _) => throw TemplateException.Runtime(
                    $"access to attribute '{name}' of '{owner.TypeName}' object is unsafe; build a new value instead."));
            case DictionaryValue dictionary:
                return OfDictionary(dictionary, name);
            case ListValue list when name == "count":
                return new FunctionValue(name, (_, a) => Value.Of(list.Items.Count(i => Operators.AreEqual(i, a.Required(0, "value")))));
            case ListValue list when name == "index":
                return new FunctionValue(name, (_, a) => IndexOf(list, a.AtMost(1).Required(0, "value")));
            default:
                return null;
        }
    }

    public static StringValue Trim(MarkedText text, Arguments arguments, bool left, bool right)
    {
        var set = arguments.AtMost(1, "chars").Find(0, "chars") is { } chars and not NoneValue ? Text(chars) : null;
        var (start, end) = (0, text.Text.Length);
        while (left && start < end && Strips(text.Text[start], set))
            start++;
        while (right && end > start && Strips(text.Text[end - 1], set))
            end--;
        return new StringValue(text.Slice(start, end - start));
    }

    /// <summary>Replaces all, or the first <paramref name="count"/>, occurrences; kept parts keep their origin.</summary>
    public static StringValue Replace(MarkedText text, Value old, Value with, Value? count, RenderState state)
    {
        var (search, replacement) = (Text(old), PythonText.Str(with));
        var left = count is null or NoneValue ? long.MaxValue : Operators.AsInteger(count) ?? long.MaxValue;
        var builder = new MarkedTextBuilder();
        var at = 0;
        for (left = left < 0 ? long.MaxValue : left; left > 0; left--)
        {
            var found = search.Length == 0 ? at : text.Text.IndexOf(search, at, StringComparison.Ordinal);
            if (found < 0 || found > text.Text.Length)
                break;
            builder.Append(text, at, found - at);
            builder.Append(replacement);
            state.CountText(found - at + replacement.Text.Length);
            at = found + search.Length;
            if (search.Length > 0)
                continue;
            // An empty search matches between all characters.
            if (at == text.Text.Length)
                break;
            var length = char.IsSurrogatePair(text.Text, at) ? 2 : 1;
            builder.Append(text, at, length);
            at += length;
        }

        builder.Append(text, at, text.Text.Length - at);
        return new StringValue(builder.ToText());
    }

    public static StringValue Join(IReadOnlyList<Value> items, MarkedText separator, RenderState state)
    {
        var builder = new MarkedTextBuilder();
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0)
                builder.Append(separator);
            builder.Append(PythonText.Str(items[i]));
        }

        state.CountText(builder.Length);
        return new StringValue(builder.ToText());
    }

    public static string Capitalize(string text)
    {
        if (text.Length == 0)
            return text;
        var first = char.IsSurrogatePair(text, 0) ? 2 : 1;
        return text[..first].ToUpperInvariant() + text[first..].ToLowerInvariant();
    }

    /// <summary>Upper case at the start of each word; <paramref name="continues"/> says what a word is made of.</summary>
    public static string Title(string text, Func<char, bool> continues)
    {
        var result = new StringBuilder(text.Length);
        var inWord = false;
        foreach (var unit in text)
        {
            result.Append(inWord ? char.ToLowerInvariant(unit) : char.ToUpperInvariant(unit));
            inWord = continues(unit);
        }

        return result.ToString();
    }

    public static string Text(Value value) => value is StringValue text
        ? text.Text
        : throw TemplateException.Runtime($"a string is needed here, not {value.TypeName}.");

    private static string Case(string text, Arguments checkedArguments) =>
        checkedArguments.Positional.Count == 0 ? text : throw TemplateException.Runtime("takes no arguments.");

    private static bool Strips(char unit, string? set) =>
        set is null ? char.IsWhiteSpace(unit) || unit is >= '\u001C' and <= '\u001F' : set.Contains(unit, StringComparison.Ordinal);

    private static string[] Affixes(Arguments arguments) => arguments.AtMost(1).Required(0, "prefix") switch
    {
        ListValue { IsTuple: true } several => [.. several.Items.Select(Text)],
        var one => [Text(one)],
    };

    private static ListValue Split(MarkedText text, Arguments arguments, bool fromRight)
    {
        var limit = arguments.Find(1, "maxsplit") is { } most && Operators.AsInteger(most) is >= 0 and var number ? number : long.MaxValue;
        var gaps = arguments.Find(0, "sep") is { } separator and not NoneValue
            ? SeparatorGaps(text.Text, Text(separator), fromRight, limit)
            : WhitespaceGaps(text.Text, fromRight, limit);
        var parts = new List<Value>();
        var at = 0;
        foreach (var (start, end) in gaps.Order())
        {
            parts.Add(new StringValue(text.Slice(at, start - at)));
            at = end;
        }

        parts.Add(new StringValue(text.Slice(at, text.Text.Length - at)));
        // Splitting at whitespace gives no empty parts.
        return new ListValue(arguments.Find(0, "sep") is null or NoneValue ? [.. parts.Where(p => p.IsTrue)] : parts);
    }

    private static List<(int Start, int End)> SeparatorGaps(string text, string separator, bool fromRight, long limit)
    {
        if (separator.Length == 0)
            throw TemplateException.Runtime("split: empty separator.");
        var gaps = new List<(int, int)>();
        for (var at = fromRight ? text.Length : 0; gaps.Count < limit;)
        {
            var found = fromRight
                ? text.AsSpan(0, at).LastIndexOf(separator, StringComparison.Ordinal)
                : text.IndexOf(separator, at, StringComparison.Ordinal);
            if (found < 0)
                break;
            gaps.Add((found, found + separator.Length));
            at = fromRight ? found : found + separator.Length;
        }

        return gaps;
    }

    /// <summary>Runs of whitespace; those at the ends do not count towards the limit.</summary>
    private static List<(int Start, int End)> WhitespaceGaps(string text, bool fromRight, long limit)
    {
        var runs = new List<(int Start, int End)>();
        for (var at = 0; at < text.Length; at++)
        {
            if (!Strips(text[at], null))
                continue;
            if (runs.Count > 0 && runs[^1].End == at)
                runs[^1] = (runs[^1].Start, at + 1);
            else
                runs.Add((at, at + 1));
        }

        var inner = runs.Where(r => r.Start > 0 && r.End < text.Length).ToList();
        var edges = runs.Where(r => fromRight ? r.End == text.Length : r.Start == 0);
        var other = runs.Where(r => (fromRight ? r.Start == 0 : r.End == text.Length) && (limit > inner.Count || r is { Start: 0 } && r.End == text.Length));
        var kept = inner.Count <= limit ? inner : fromRight ? inner[^(int)limit..] : inner[..(int)limit];
        return [.. kept, .. edges.Union(other)];
    }

    private static ListValue SplitLines(MarkedText text, bool keepsEnds)
    {
        var lines = new List<Value>();
        for (var at = 0; at < text.Text.Length;)
        {
            var end = text.Text.AsSpan(at).IndexOfAny("\n\r\v\f\u001C\u001D\u001E\u0085\u2028\u2029");
            end = end < 0 ? text.Text.Length : at + end;
            var next = end;
            if (next < text.Text.Length)
                next += text.Text.AsSpan(end).StartsWith("\r\n", StringComparison.Ordinal) ? 2 : 1;
            lines.Add(new StringValue(text.Slice(at, (keepsEnds ? next : end) - at)));
            at = next;
        }

        return new ListValue(lines);
    }

    /// <summary>{}, {0} and {name} without conversions.</summary>
    private static StringValue Format(MarkedText text, Arguments arguments)
    {
        var builder = new MarkedTextBuilder();
        var automatic = 0;
        for (var at = 0; at < text.Text.Length;)
        {
            var unit = text.Text[at];
            if (unit is '{' or '}' && at + 1 < text.Text.Length && text.Text[at + 1] == unit)
            {
                builder.Append(text, at, 1);
                at += 2;
                continue;
            }

            if (unit != '{')
            {
                builder.Append(text, at++, 1);
                continue;
            }

            var close = text.Text.IndexOf('}', at);
            var field = close < 0 ? throw TemplateException.Runtime("format: a '{' is not closed.") : text.Text[(at + 1)..close];
            if (field.AsSpan().IndexOfAny(":!.[") >= 0)
                throw TemplateException.Runtime($"format: the field '{{{field}}}' is not supported; use {{}}, {{0}} or {{name}}.");
            var isNumber = int.TryParse(field, System.Globalization.CultureInfo.InvariantCulture, out var position);
            var value = field.Length == 0
                ? arguments.Required(automatic++, "")
                : isNumber ? arguments.Required(position, "") : arguments.Required(int.MaxValue, field);
            builder.Append(PythonText.Str(value));
            at = close + 1;
        }

        return new StringValue(builder.ToText());
    }

    private static Value? OfDictionary(DictionaryValue dictionary, string name) => name switch
    {
        "items" => new FunctionValue(name, (_, a) => Filters.Items(dictionary, a.AtMost(0))),
        "keys" => new FunctionValue(name, (_, a) => new ListValue([.. dictionary.Keys.Take(Unlimited(a.AtMost(0)))])),
        "values" => new FunctionValue(name, (_, a) => new ListValue([.. dictionary.Items.Select(i => i.Value).Take(Unlimited(a.AtMost(0)))])),
        "get" => new FunctionValue(name, (_, a) => dictionary.Get(a.AtMost(2).Required(0, "key")) ?? a.Find(1, "default") ?? Value.None),
        "copy" => new FunctionValue(name, (_, _) => dictionary),
        _ => null,
    };

    private static int Unlimited(Arguments checkedArguments) => int.MaxValue - checkedArguments.Positional.Count;

    private static Value IndexOf(ListValue list, Value value)
    {
        for (var i = 0; i < list.Items.Count; i++)
        {
            if (Operators.AreEqual(list.Items[i], value))
                return Value.Of(i);
        }

        throw TemplateException.Runtime("the value is not in the list.");
    }
}
