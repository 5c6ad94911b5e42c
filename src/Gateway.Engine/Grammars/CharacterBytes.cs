using System.Runtime.InteropServices;

namespace Gateway.Engine.Grammars;

/// <summary>
/// Turns an automaton over UTF-16 units into one over the bytes in which a reply spells them: UTF-8, and inside a JSON string
/// the escapes of <see cref="JsonSpelling"/>. Continuation states with the same targets are shared.
/// </summary>
internal sealed class CharacterBytes
{
    private readonly PatternAutomaton _characters;
    private readonly ByteDfaBuilder _builder;
    private readonly int[] _boundaries;
    private readonly Dictionary<(int Target, int Bytes), int> _uniform = [];
    private readonly Dictionary<string, int> _mixed = new(StringComparer.Ordinal);
    private readonly bool _charged;

    private CharacterBytes(PatternAutomaton characters, bool isJson, bool charged, CompileBudget budget)
    {
        (_characters, _charged, _builder) = (characters, charged, new ByteDfaBuilder(budget));
        var start = isJson ? _builder.Add() : -1;
        _boundaries = new int[characters.States];
        for (var state = 0; state < characters.States; state++)
        {
            _boundaries[state] = _builder.Add(!isJson && characters.Accepts(state));
        }

        var end = isJson ? _builder.Add(accepts: true) : -1;
        if (isJson)
        {
            _builder.Set(start, "\"", _boundaries[0]);
        }

        for (var state = 0; state < characters.States; state++)
        {
            AddAscii(state, isJson);
            AddMultibyte(state);
            AddAstral(state);
            if (isJson && characters.Accepts(state))
            {
                _builder.Set(_boundaries[state], "\"", end);
            }
        }
    }

    /// <summary>Free text; null when no text is left.</summary>
    public static ByteDfa? Raw(PatternAutomaton characters, CompileBudget budget) =>
        new CharacterBytes(characters, isJson: false, charged: false, budget)._builder.Build();

    /// <summary>A JSON string with its quotes, charged in UTF-16 units when asked; null when no text is left.</summary>
    public static ByteDfa? Json(PatternAutomaton characters, bool charged, CompileBudget budget) =>
        new CharacterBytes(characters, isJson: true, charged, budget)._builder.Build();

    private void AddAscii(int state, bool isJson)
    {
        var escape = -1;
        for (var unit = 0; unit < 0x80; unit++)
        {
            var target = _characters.Next(state, unit);
            if (target == PatternAutomaton.Dead)
            {
                continue;
            }

            if (!isJson || (unit >= ' ' && unit is not ('"' or '\\')))
            {
                _builder.Set(_boundaries[state], unit, unit, _boundaries[target], Charge(1));
                continue;
            }

            if (escape < 0)
            {
                escape = _builder.Add();
                _builder.Set(_boundaries[state], "\\", escape, Charge(1));
            }

            AddEscape(escape, unit, _boundaries[target]);
        }
    }

    private void AddEscape(int escape, int unit, int to)
    {
        if (JsonSpelling.ShortEscape(unit) is { } letter)
        {
            _builder.Set(escape, letter, letter, to);
            return;
        }

        var at = escape;
        foreach (var digit in $"u00{unit >> 4:x}")
        {
            var next = _builder.Target(at, digit);
            if (next == ByteDfa.Dead)
            {
                _builder.Set(at, digit, digit, next = _builder.Add());
            }

            at = next;
        }

        var last = $"{unit & 15:x}"[0];
        _builder.Set(at, last, last, to);
    }

    private void AddMultibyte(int state)
    {
        for (var lead = 0xC2; lead < 0xF0; lead++)
        {
            var bytes = lead < 0xE0 ? 1 : 2;
            var first = bytes == 1 ? (lead & 0x1F) << 6 : (lead & 0x0F) << 12;
            if (Continuation(state, first, bytes) is var next and >= 0)
            {
                _builder.Set(_boundaries[state], lead, lead, next, Charge(1));
            }
        }
    }

    /// <summary>The state in which the last bytes of the characters from <paramref name="first"/> on are read, or −1.</summary>
    private int Continuation(int state, int first, int bytes)
    {
        var last = first + (1 << (6 * bytes)) - 1;

        // The blocks of three-byte forms that are not characters: shorter forms exist, or the units are surrogates.
        var isWhole = bytes == 1 || first is not (0x0000 or 0xD000);
        if (isWhole && _characters.IsUniform(state, first, last))
        {
            var target = _characters.Next(state, first);
            return target == PatternAutomaton.Dead ? -1 : Uniform(_boundaries[target], bytes);
        }

        Span<int> targets = stackalloc int[64];
        var any = false;
        for (var i = 0; i < 64; i++)
        {
            var unit = first + (i << (6 * (bytes - 1)));
            targets[i] = bytes == 1 ? Boundary(_characters.Next(state, unit))
                : unit < 0x800 || char.IsSurrogate((char)unit) ? -1
                : Continuation(state, unit, 1);
            any |= targets[i] >= 0;
        }

        if (!any)
        {
            return -1;
        }

        var key = new string(MemoryMarshal.Cast<int, char>(targets));
        if (!_mixed.TryGetValue(key, out var node))
        {
            _mixed.Add(key, node = _builder.Add());
            for (var i = 0; i < 64; i++)
            {
                if (targets[i] >= 0)
                {
                    _builder.Set(node, 0x80 + i, 0x80 + i, targets[i]);
                }
            }
        }

        return node;
    }

    /// <summary>Characters of four bytes: two units, which patterns only tell apart as halves.</summary>
    private void AddAstral(int state)
    {
        var high = _characters.Next(state, 0xD800);
        var target = high == PatternAutomaton.Dead ? -1 : Boundary(_characters.Next(high, 0xDC00));
        if (target < 0)
        {
            return;
        }

        var boundary = _boundaries[state];
        if (!_uniform.TryGetValue((target, 4), out var first))
        {
            first = _builder.Add();
            _builder.Set(first, 0x90, 0xBF, Uniform(target, 2));
            var last = _builder.Add();
            _builder.Set(last, 0x80, 0x8F, Uniform(target, 2));
            _uniform.Add((target, 4), first);
            _uniform.Add((target, 5), last);
        }

        _builder.Set(boundary, 0xF0, 0xF0, first, Charge(2));
        _builder.Set(boundary, 0xF1, 0xF3, Uniform(target, 3), Charge(2));
        _builder.Set(boundary, 0xF4, 0xF4, _uniform[(target, 5)], Charge(2));
    }

    /// <summary>The state in which any continuation bytes are read, that many, on the way to a target.</summary>
    private int Uniform(int target, int bytes)
    {
        if (bytes == 0)
        {
            return target;
        }

        if (!_uniform.TryGetValue((target, bytes), out var node))
        {
            node = _builder.Add();
            _builder.Set(node, 0x80, 0xBF, Uniform(target, bytes - 1));
            _uniform.Add((target, bytes), node);
        }

        return node;
    }

    private int Boundary(int state) => state == PatternAutomaton.Dead ? -1 : _boundaries[state];

    private int Charge(int units) => _charged ? units : 0;
}
