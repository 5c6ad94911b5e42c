namespace Gateway.Model.Text.Templates;

/// <summary>Python's operators on template values.</summary>
internal static class Operators
{
    /// <summary>Python's order of strings (by code point), numbers and lists.</summary>
    public static IComparer<Value> Order { get; } = Comparer<Value>.Create(Compare);

    public static Value Apply(string symbol, Value left, Value right, RenderState state)
    {
        switch (symbol)
        {
            case "~":
                return Join(PythonText.Str(left), PythonText.Str(right), state);
            case "+" when left is StringValue a && right is StringValue b:
                return Join(a.Content, b.Content, state);
            case "+" when left is ListValue a && right is ListValue b && a.IsTuple == b.IsTuple:
                state.CountText(a.Items.Count + b.Items.Count);
                return new ListValue([.. a.Items, .. b.Items], a.IsTuple);
            case "*" when left is StringValue or ListValue && AsInteger(right) is { } count:
                return Repeat(left, count, state);
            case "*" when right is StringValue or ListValue && AsInteger(left) is { } count:
                return Repeat(right, count, state);
            default:
                return Arithmetic(symbol, left, right);
        }
    }

    public static bool AreEqual(Value left, Value right) => (left, right) switch
    {
        _ when AsInteger(left) is { } a && AsInteger(right) is { } b => a == b,
        _ when AsNumber(left) is { } a && AsNumber(right) is { } b => a == b,
        _ => left.Equals(right),
    };

    public static int Compare(Value left, Value right)
    {
        if (AsInteger(left) is { } i && AsInteger(right) is { } j)
            return i.CompareTo(j);
        if (AsNumber(left) is { } a && AsNumber(right) is { } b)
            return a.CompareTo(b);
        if (left is StringValue s && right is StringValue t)
            return CompareCodePoints(s.Text, t.Text);
        if (left is not ListValue x || right is not ListValue y || x.IsTuple != y.IsTuple)
            throw TemplateException.Runtime($"'{left.TypeName}' and '{right.TypeName}' have no order; compare values of one type.");
        for (var at = 0; at < x.Items.Count && at < y.Items.Count; at++)
        {
            if (!AreEqual(x.Items[at], y.Items[at]))
                return Compare(x.Items[at], y.Items[at]);
        }

        return x.Items.Count.CompareTo(y.Items.Count);
    }

    public static bool Contains(Value container, Value item) => container switch
    {
        StringValue text when item is StringValue part => text.Text.Contains(part.Text, StringComparison.Ordinal),
        StringValue => throw TemplateException.Runtime($"'in <string>' needs a string on the left, not {item.TypeName}."),
        ListValue list => list.Items.Any(candidate => AreEqual(candidate, item)),
        DictionaryValue dictionary => dictionary.Get(item) is not null,
        UndefinedValue => false,
        _ => throw TemplateException.Runtime($"a value of type {container.TypeName} cannot be searched with 'in'."),
    };

    public static Value Negate(Value value) => value switch
    {
        FloatValue number => new FloatValue(-number.Content),
        _ when AsInteger(value) is { } number => Value.Of(checked(-number)),
        UndefinedValue undefined => throw undefined.Error(),
        _ => throw TemplateException.Runtime($"'-' does not apply to {value.TypeName}."),
    };

    public static long? AsInteger(Value value) => value switch
    {
        IntegerValue number => number.Content,
        BoolValue flag => flag.Content ? 1 : 0,
        _ => null,
    };

    public static double? AsNumber(Value value) => value is FloatValue number ? number.Content : AsInteger(value);

    private static StringValue Join(MarkedText left, MarkedText right, RenderState state)
    {
        state.CountText(left.Text.Length + right.Text.Length);
        return new StringValue(left + right);
    }

    private static Value Repeat(Value value, long count, RenderState state)
    {
        count = Math.Max(0, count);
        var length = value is StringValue text ? text.Text.Length : ((ListValue)value).Items.Count;
        state.CountText(Math.Min(count, int.MaxValue) * Math.Max(1L, length));
        if (value is ListValue list)
            return list with { Items = [.. Enumerable.Repeat(list.Items, (int)count).SelectMany(items => items)] };
        var builder = new MarkedTextBuilder();
        for (var i = 0L; i < count && length > 0; i++)
            builder.Append(((StringValue)value).Content);
        return new StringValue(builder.ToText());
    }

    private static Value Arithmetic(string symbol, Value left, Value right)
    {
        foreach (var side in new[] { left, right })
        {
            if (side is UndefinedValue undefined)
                throw undefined.Error();
        }

        try
        {
            if (AsInteger(left) is { } i && AsInteger(right) is { } j && symbol != "/" && !(symbol == "**" && j < 0))
                return Value.Of(OfIntegers(symbol, i, j));
        }
        catch (OverflowException)
        {
            throw TemplateException.Runtime($"the result of '{symbol}' does not fit 64 bits; use smaller numbers.");
        }

        if (AsNumber(left) is { } a && AsNumber(right) is { } b)
            return new FloatValue(OfFloats(symbol, a, b));
        throw TemplateException.Runtime(
            $"unsupported operand types for {symbol}: '{left.TypeName}' and '{right.TypeName}'; convert one of them.");
    }

    private static long OfIntegers(string symbol, long a, long b)
    {
        if (b == 0 && symbol is "//" or "%")
            throw TemplateException.Runtime("division by zero.");
        return symbol switch
        {
            "+" => checked(a + b),
            "-" => checked(a - b),
            "*" => checked(a * b),
            "//" => b == -1 ? checked(-a) : (a / b) - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0),
            "%" => b == -1 ? 0 : ((a % b) + b) % b,
            _ => Power(a, b),
        };
    }

    private static long Power(long value, long exponent)
    {
        var result = 1L;
        for (; exponent > 0; exponent >>= 1)
        {
            if ((exponent & 1) != 0)
                result = checked(result * value);
            if (exponent > 1)
                value = checked(value * value);
        }

        return result;
    }

    private static double OfFloats(string symbol, double a, double b)
    {
        if (b == 0 && symbol is "/" or "//" or "%")
            throw TemplateException.Runtime("division by zero.");
        return symbol switch
        {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" => a / b,
            "//" => Math.Floor(a / b),
            "%" => a - (b * Math.Floor(a / b)),
            _ => Math.Pow(a, b),
        };
    }

    private static int CompareCodePoints(string left, string right)
    {
        // A surrogate stands for a code point above every other unit.
        var at = left.AsSpan().CommonPrefixLength(right);
        if (at == left.Length || at == right.Length)
            return left.Length.CompareTo(right.Length);
        var (a, b) = (left[at], right[at]);
        if (char.IsSurrogate(a) != char.IsSurrogate(b))
            return char.IsSurrogate(a) ? 1 : -1;
        return a.CompareTo(b);
    }
}
