using System.Globalization;
using System.Text;

namespace Gateway.Model.Text.Templates;

/// <summary>The functions every chat template can call.</summary>
internal static class Globals
{
    private const int LongestRange = 100_000;

    public static void AddTo(Scope scope)
    {
        foreach (var (name, call) in new (string, Func<RenderState, Arguments, Value>)[]
        {
            ("range", (_, a) => Range(a)),
            ("namespace", (_, a) => new NamespaceValue(Fields(a))),
            ("dict", (_, a) => Dictionary(a)),
            ("raise_exception", (_, a) => throw new TemplateException(TemplateErrorKind.Raised, PythonText.Str(a.Required(0, "message")).Text)),
            ("strftime_now", (state, a) => Value.Of(Time(state.Now, Methods.Text(a.Required(0, "format"))))),
        })
        {
            scope.Set(name, new FunctionValue(name, call));
        }
    }

    private static ListValue Range(Arguments arguments)
    {
        var bounds = arguments.AtMost(3).Positional.Select(bound => Operators.AsInteger(bound)
            ?? throw TemplateException.Runtime($"range needs integers, not {bound.TypeName}.")).ToArray();
        var (start, stop, step) = bounds switch
        {
            [var end] => (0, end, 1),
            [var from, var end] => (from, end, 1),
            [var from, var end, var by] when by != 0 => (from, end, by),
            _ => throw TemplateException.Runtime("range takes one to three integers and a step other than zero."),
        };
        var items = new List<Value>();
        for (var at = start; step > 0 ? at < stop : at > stop; at += step)
        {
            items.Add(Value.Of(at));
            if (items.Count > LongestRange)
                throw new TemplateException(TemplateErrorKind.Limit, $"range is longer than {LongestRange}; use a shorter one.");
        }

        return new ListValue(items);
    }

    private static Dictionary<string, Value> Fields(Arguments arguments)
    {
        var fields = new Dictionary<string, Value>(StringComparer.Ordinal);
        foreach (var item in Dictionary(arguments).Items)
            fields[PythonText.Str(item.Key).Text] = item.Value;
        return fields;
    }

    private static DictionaryValue Dictionary(Arguments arguments)
    {
        var result = new DictionaryValue();
        foreach (var positional in arguments.Positional)
        {
            foreach (var pair in positional is DictionaryValue ? Filters.Items(positional, Arguments.None).Items : Sequences.Items(positional))
            {
                var parts = Sequences.Items(pair);
                if (parts.Count != 2)
                    throw TemplateException.Runtime("dict needs pairs.");
                result.Set(parts[0], parts[1]);
            }
        }

        // A name may come from a spread dictionary of the caller.
        foreach (var (name, value) in arguments.Named)
            result.Set(Value.Of(name, Origin.Caller), value);
        return result;
    }

    /// <summary>C's strftime in the C locale.</summary>
    private static string Time(DateTimeOffset now, string format)
    {
        var result = new StringBuilder();
        for (var at = 0; at < format.Length; at++)
        {
            if (format[at] != '%' || at + 1 == format.Length)
            {
                result.Append(format[at]);
                continue;
            }

            var unpadded = format[at + 1] == '-' && at + 2 < format.Length;
            at += unpadded ? 2 : 1;
            var part = Part(now, format[at]);
            result.Append(unpadded && part.Length > 1 ? part.TrimStart('0', ' ') is { Length: > 0 } rest ? rest : "0" : part);
        }

        return result.ToString();
    }

    private static string Part(DateTimeOffset now, char directive)
    {
        string In(string pattern) => now.ToString(pattern, CultureInfo.InvariantCulture);
        return directive switch
        {
            'a' => In("ddd"),
            'A' => In("dddd"),
            'b' or 'h' => In("MMM"),
            'B' => In("MMMM"),
            'c' => In("ddd MMM ") + now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2) + In(" HH:mm:ss yyyy"),
            'd' => In("dd"),
            'D' or 'x' => In("MM'/'dd'/'yy"),
            'e' => now.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2),
            'f' => In("ffffff"),
            'F' => In("yyyy-MM-dd"),
            'H' => In("HH"),
            'I' => In("hh"),
            'j' => now.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'm' => In("MM"),
            'M' => In("mm"),
            'n' => "\n",
            'p' => In("tt"),
            'R' => In("HH:mm"),
            'S' => In("ss"),
            't' => "\t",
            'T' or 'X' => In("HH:mm:ss"),
            'u' => (now.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)now.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'w' => ((int)now.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'y' => In("yy"),
            'Y' => In("yyyy"),
            'z' or 'Z' => "",
            '%' => "%",
            _ => throw TemplateException.Runtime($"strftime_now: the directive '%{directive}' is not supported; use another format."),
        };
    }
}
