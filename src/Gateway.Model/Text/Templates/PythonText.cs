using System.Globalization;
using System.Text;

namespace Gateway.Model.Text.Templates;

/// <summary>Writes values as Python's <c>str</c> and <c>repr</c> do.</summary>
internal static class PythonText
{
    public static MarkedText Str(Value value)
    {
        switch (value)
        {
            case StringValue text:
                return text.Content;
            case UndefinedValue:
                return MarkedText.Empty;
            default:
                var builder = new MarkedTextBuilder();
                WriteRepr(value, builder, 0);
                return builder.ToText();
        }
    }

    /// <summary>The shortest digits that read back the same, with Python's rules for the exponent.</summary>
    public static string Float(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        var shortest = value.ToString("E16", CultureInfo.InvariantCulture);
        var round = value.ToString("R", CultureInfo.InvariantCulture);
        var exponent = value == 0 ? 0 : int.Parse(shortest.AsSpan(shortest.IndexOf('E', StringComparison.Ordinal) + 1), CultureInfo.InvariantCulture);
        var mantissa = round.Contains('E', StringComparison.Ordinal) ? round[..round.IndexOf('E', StringComparison.Ordinal)] : round;
        var sign = mantissa.StartsWith('-') ? "-" : "";
        var digits = mantissa.Replace("-", "", StringComparison.Ordinal).Replace(".", "", StringComparison.Ordinal).TrimStart('0').TrimEnd('0');
        if (digits.Length == 0)
            return sign + "0.0";
        if (exponent is < -4 or >= 16)
        {
            var fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }

        if (exponent < 0)
            return sign + "0." + new string('0', -exponent - 1) + digits;
        return digits.Length <= exponent + 1
            ? sign + digits.PadRight(exponent + 1, '0') + ".0"
            : sign + digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }

    public static MarkedText Repr(Value value)
    {
        var builder = new MarkedTextBuilder();
        WriteRepr(value, builder, 0);
        return builder.ToText();
    }

    private static void WriteRepr(Value value, MarkedTextBuilder into, int depth)
    {
        if (depth > 64)
            throw new TemplateException(TemplateErrorKind.Limit, "a value is nested more than 64 levels deep; pass flatter data.");
        switch (value)
        {
            case StringValue text:
                into.Append(Quoted(text.Text), text.Content.Origins);
                break;
            case ListValue list:
                into.Append(list.IsTuple ? "(" : "[");
                WriteAll(list.Items, into, item => WriteRepr(item, into, depth + 1));
                into.Append(list.IsTuple ? list.Items.Count == 1 ? ",)" : ")" : "]");
                break;
            case DictionaryValue dictionary:
                into.Append("{");
                WriteAll(dictionary.Items, into, item =>
                {
                    WriteRepr(item.Key, into, depth + 1);
                    into.Append(": ");
                    WriteRepr(item.Value, into, depth + 1);
                });
                into.Append("}");
                break;
            default:
                into.Append(Scalar(value));
                break;
        }
    }

    private static void WriteAll<T>(IEnumerable<T> items, MarkedTextBuilder into, Action<T> write)
    {
        var isFirst = true;
        foreach (var item in items)
        {
            if (!isFirst)
                into.Append(", ");
            isFirst = false;
            write(item);
        }
    }

    private static string Scalar(Value value) => value switch
    {
        NoneValue => "None",
        BoolValue flag => flag.Content ? "True" : "False",
        IntegerValue number => number.Content.ToString(CultureInfo.InvariantCulture),
        FloatValue number => Float(number.Content),
        UndefinedValue => "Undefined",
        _ => throw TemplateException.Runtime($"a value of type {value.TypeName} cannot be printed."),
    };

    private static string Quoted(string text)
    {
        var quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        var result = new StringBuilder(text.Length + 2).Append(quote);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value == quote || rune.Value == '\\')
                result.Append('\\').Append(rune);
            else if (rune.Value is '\n' or '\r' or '\t')
                result.Append(rune.Value == '\n' ? "\\n" : rune.Value == '\r' ? "\\r" : "\\t");
            else if (rune.Value == ' ' || IsPrintable(rune))
                result.Append(rune);
            else if (rune.Value <= 0xFF)
                result.Append(CultureInfo.InvariantCulture, $"\\x{rune.Value:x2}");
            else if (rune.Value <= 0xFFFF)
                result.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
            else
                result.Append(CultureInfo.InvariantCulture, $"\\U{rune.Value:x8}");
        }

        return result.Append(quote).ToString();
    }

    private static bool IsPrintable(Rune rune) => Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);
}
