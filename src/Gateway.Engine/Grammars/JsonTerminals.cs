namespace Gateway.Engine.Grammars;

/// <summary>The automata every JSON grammar shares; one instance each, so that their token masks are computed once.</summary>
internal static class JsonTerminals
{
    /// <summary>Any string in any spelling; characters (code points) are charged.</summary>
    public static ByteDfa String { get; } = BuildString(anySpelling: true);

    /// <summary>Any string in the spelling of <see cref="JsonSpelling"/>: equal keys have equal bytes.</summary>
    public static ByteDfa Key { get; } = BuildString(anySpelling: false);

    /// <summary>Any number; an exponent has at most three digits.</summary>
    public static ByteDfa Number { get; } = BuildNumber(whole: false);

    /// <summary>Any whole number without fraction and exponent.</summary>
    public static ByteDfa Integer { get; } = BuildNumber(whole: true);

    /// <summary>The literal <c>null</c>.</summary>
    public static ByteDfa Null { get; } = Words(["null"u8.ToArray()], new CompileBudget(default))!;

    /// <summary>The literals <c>true</c> and <c>false</c>.</summary>
    public static ByteDfa Boolean { get; } = Words(["true"u8.ToArray(), "false"u8.ToArray()], new CompileBudget(default))!;

    /// <summary>Exactly the given words; null when there are none.</summary>
    public static ByteDfa? Words(IEnumerable<byte[]> words, CompileBudget budget)
    {
        var builder = new ByteDfaBuilder(budget);
        builder.Add();
        foreach (var word in words)
        {
            var state = 0;
            foreach (var value in word)
            {
                var next = builder.Target(state, value);
                if (next == ByteDfa.Dead)
                {
                    builder.Set(state, value, value, next = builder.Add());
                }

                state = next;
            }

            builder.Accept(state);
        }

        return builder.Build();
    }

    /// <summary>Adds what follows the first byte of a raw character of two to four bytes; well-formed UTF-8 only (Unicode 15, table 3-7).</summary>
    private static void AddMultibyte(ByteDfaBuilder builder, int from, int to)
    {
        int one = builder.Add(), two = builder.Add(), three = builder.Add();
        int afterE0 = builder.Add(), afterEd = builder.Add(), afterF0 = builder.Add(), afterF4 = builder.Add();
        builder.Set(one, 0x80, 0xBF, to);
        builder.Set(two, 0x80, 0xBF, one);
        builder.Set(three, 0x80, 0xBF, two);
        builder.Set(afterE0, 0xA0, 0xBF, one);
        builder.Set(afterEd, 0x80, 0x9F, one);
        builder.Set(afterF0, 0x90, 0xBF, two);
        builder.Set(afterF4, 0x80, 0x8F, two);
        builder.Set(from, 0xC2, 0xDF, one, charge: 1);
        builder.Set(from, 0xE1, 0xEF, two, charge: 1);
        builder.Set(from, 0xE0, 0xE0, afterE0, charge: 1);
        builder.Set(from, 0xED, 0xED, afterEd, charge: 1);
        builder.Set(from, 0xF1, 0xF3, three, charge: 1);
        builder.Set(from, 0xF0, 0xF0, afterF0, charge: 1);
        builder.Set(from, 0xF4, 0xF4, afterF4, charge: 1);
    }

    private static ByteDfa BuildString(bool anySpelling)
    {
        var builder = new ByteDfaBuilder(new CompileBudget(default));
        int start = builder.Add(), body = builder.Add(), escape = builder.Add(), end = builder.Add(accepts: true);
        builder.Set(start, "\"", body);
        builder.Set(body, 0x20, 0x7F, body, charge: 1);
        builder.Set(body, "\"", end);
        builder.Set(body, "\\", escape, charge: 1);
        AddMultibyte(builder, body, body);
        builder.Set(escape, "\"\\bfnrt", body);
        var hex = builder.Add();
        builder.Set(escape, "u", hex);
        if (!anySpelling)
        {
            AddControlEscape(builder, hex, body);
            return builder.Build()!;
        }

        builder.Set(escape, "/", body);
        AddUnicodeEscape(builder, hex, body);
        return builder.Build()!;
    }

    /// <summary>Behind <c>\u</c>: control characters that have no short escape.</summary>
    private static void AddControlEscape(ByteDfaBuilder builder, int hex, int body)
    {
        int second = builder.Add(), third = builder.Add(), zero = builder.Add(), one = builder.Add();
        builder.Set(hex, "0", second);
        builder.Set(second, "0", third);
        builder.Set(third, "0", zero);
        builder.Set(third, "1", one);
        builder.Set(zero, "01234567be", body);
        builder.Set(zero, "f", body);
        builder.Set(one, "0123456789abcdef", body);
    }

    /// <summary>Behind <c>\u</c>: four digits; the two halves of a surrogate pair come together or not at all.</summary>
    private static void AddUnicodeEscape(ByteDfaBuilder builder, int hex, int body)
    {
        int three = builder.Add(), two = builder.Add(), one = builder.Add(), afterD = builder.Add();
        Hex(hex, three);
        Hex(three, two);
        Hex(two, one);
        Hex(one, body);
        builder.Set(hex, "dD", afterD);
        builder.Set(afterD, "01234567", two);

        int high = builder.Add(), highLast = builder.Add(), slash = builder.Add(), letter = builder.Add();
        int low = builder.Add(), lowD = builder.Add(), lowTwo = builder.Add(), lowOne = builder.Add();
        builder.Set(afterD, "89abAB", high);
        Hex(high, highLast);
        Hex(highLast, slash);
        builder.Set(slash, "\\", letter);
        builder.Set(letter, "u", low);
        builder.Set(low, "dD", lowD);
        builder.Set(lowD, "cdefCDEF", lowTwo);
        Hex(lowTwo, lowOne);
        Hex(lowOne, body);

        void Hex(int from, int to) => builder.Set(from, "0123456789abcdefABCDEF", to);
    }

    private static ByteDfa BuildNumber(bool whole)
    {
        var builder = new ByteDfaBuilder(new CompileBudget(default));
        int start = builder.Add(), minus = builder.Add(), zero = builder.Add(accepts: true), digits = builder.Add(accepts: true);
        builder.Set(start, "-", minus);
        foreach (var from in new[] { start, minus })
        {
            builder.Set(from, "0", zero);
            builder.Set(from, '1', '9', digits);
        }

        builder.Set(digits, '0', '9', digits);
        if (whole)
        {
            return builder.Build()!;
        }

        int point = builder.Add(), fraction = builder.Add(accepts: true), exponent = builder.Add(), sign = builder.Add();
        builder.Set(zero, ".", point);
        builder.Set(digits, ".", point);
        builder.Set(point, '0', '9', fraction);
        builder.Set(fraction, '0', '9', fraction);
        foreach (var from in new[] { zero, digits, fraction })
        {
            builder.Set(from, "eE", exponent);
        }

        // More digits reach beyond every double, where parsers differ.
        int first = builder.Add(accepts: true), second = builder.Add(accepts: true), third = builder.Add(accepts: true);
        builder.Set(exponent, "+-", sign);
        builder.Set(exponent, '0', '9', first);
        builder.Set(sign, '0', '9', first);
        builder.Set(first, '0', '9', second);
        builder.Set(second, '0', '9', third);
        return builder.Build()!;
    }
}
