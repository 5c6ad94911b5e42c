using System.Globalization;

namespace Gateway.Engine.Grammars;

/// <summary>
/// Reads regular expressions: ECMA-262 as far as it is regular, where <c>\d</c> and <c>\w</c> are ASCII and <c>$</c> is the very
/// end. What .NET and ECMA-262 read differently is refused.
/// </summary>
internal sealed class PatternParser
{
    private const int MaximumDepth = 100;

    private readonly string _text;
    private readonly CompileBudget _budget;
    private int _at;
    private int _depth;

    private PatternParser(string text, CompileBudget budget) => (_text, _budget) = (text, budget);

    /// <exception cref="GrammarException">The pattern is broken or not regular.</exception>
    public static Pattern Parse(string text, CompileBudget budget)
    {
        var parser = new PatternParser(text, budget);
        var pattern = parser.Choice();
        return parser._at == text.Length ? pattern : throw parser.Refuse("has a ')' without '('");
    }

    private Pattern Choice()
    {
        if (++_depth > MaximumDepth)
        {
            throw Refuse($"nests more than {MaximumDepth} groups");
        }

        var parts = new List<Pattern> { Sequence() };
        while (Take('|'))
        {
            parts.Add(Sequence());
        }

        _depth--;
        return parts.Count == 1 ? parts[0] : new Pattern.Choice(parts);
    }

    private Pattern.Sequence Sequence()
    {
        var parts = new List<Pattern>();
        while (_at < _text.Length && _text[_at] is not ('|' or ')'))
        {
            parts.Add(Quantified());
        }

        return new Pattern.Sequence(parts);
    }

    private Pattern Quantified()
    {
        _budget.Spend(1);
        var atom = Atom();
        if (!TryQuantifier(out var minimum, out var maximum))
        {
            return atom;
        }

        // Lazy or not, the language is the same.
        Take('?');
        if (atom is Pattern.Start or Pattern.End)
        {
            throw Refuse("repeats '^' or '$'");
        }

        if (_at < _text.Length && (_text[_at] is '*' or '+' or '?' || IsCountedQuantifier()))
        {
            throw Refuse("has two quantifiers in a row; put the first into a group");
        }

        return new Pattern.Repeat(atom, minimum, maximum);
    }

    private bool TryQuantifier(out int minimum, out int maximum)
    {
        (minimum, maximum) = (0, int.MaxValue);
        if (Take('*'))
        {
            return true;
        }

        if (Take('+'))
        {
            minimum = 1;
            return true;
        }

        if (Take('?'))
        {
            maximum = 1;
            return true;
        }

        if (!IsCountedQuantifier())
        {
            return false;
        }

        _at++;
        minimum = Number();
        maximum = !Take(',') ? minimum : _text[_at] == '}' ? int.MaxValue : Number();
        _at++;
        return minimum <= maximum ? true : throw Refuse("has a quantifier whose maximum is below its minimum");
    }

    /// <summary>{m}, {m,} or {m,n}; another brace is a character.</summary>
    private bool IsCountedQuantifier()
    {
        var at = _at;
        if (at >= _text.Length || _text[at++] != '{')
        {
            return false;
        }

        var first = at;
        at = SkipDigits(at);
        if (at == first)
        {
            return false;
        }

        if (at < _text.Length && _text[at] == ',')
        {
            at = SkipDigits(at + 1);
        }

        return at < _text.Length && _text[at] == '}';
    }

    private int SkipDigits(int at)
    {
        while (at < _text.Length && char.IsAsciiDigit(_text[at]))
        {
            at++;
        }

        return at;
    }

    private int Number()
    {
        var end = SkipDigits(_at);
        var digits = _text.AsSpan(_at, end - _at);
        _at = end;
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number < CompileBudget.Maximum
            ? number
            : throw Refuse($"repeats something more than {CompileBudget.Maximum} times");
    }

    private Pattern Atom()
    {
        var character = _text[_at++];
        switch (character)
        {
            case '^':
                return new Pattern.Start();
            case '$':
                return new Pattern.End();
            case '.':
                return new Pattern.Unit(CharacterSet.Of(('\n', '\n')).Complement());
            case '(':
                return Group();
            case '[':
                return new Pattern.Unit(Class());
            case '\\':
                return Escape();
            case '*' or '+' or '?':
                throw Refuse($"has a '{character}' with nothing in front of it");
            default:
                // A brace that begins a quantifier has nothing in front of it here.
                _at--;
                if (IsCountedQuantifier())
                {
                    throw Refuse("has a '{' with nothing in front of it");
                }

                _at++;
                if (char.IsHighSurrogate(character) && _at < _text.Length && char.IsLowSurrogate(_text[_at]))
                {
                    throw Refuse("names a character beyond U+FFFF");
                }

                return Single(character);
        }
    }

    private Pattern Group()
    {
        if (Take('?'))
        {
            if (_at < _text.Length && _text[_at] == '<' && _at + 1 < _text.Length && (char.IsAsciiLetter(_text[_at + 1]) || _text[_at + 1] == '_'))
            {
                while (_at < _text.Length && _text[_at] != '>')
                {
                    if (_text[_at++] == '-')
                    {
                        throw Refuse("has a balancing group");
                    }
                }

                _at++;
            }
            else if (!Take(':'))
            {
                throw Refuse("has a '(?' construct other than '(?:…)' and '(?<name>…)': look-around, options and atomic groups are not supported");
            }
        }

        var pattern = Choice();
        return Take(')') ? pattern : throw Refuse("lacks a ')'");
    }

    private Pattern Escape()
    {
        if (_at == _text.Length)
        {
            throw Refuse("ends with a backslash");
        }

        var letter = _text[_at++];
        switch (letter)
        {
            case 'd': return new Pattern.Unit(CharacterSet.Digits);
            case 'D': return new Pattern.Unit(CharacterSet.Digits.Complement());
            case 'w': return new Pattern.Unit(CharacterSet.Word);
            case 'W': return new Pattern.Unit(CharacterSet.Word.Complement());
            case 's': return new Pattern.Unit(CharacterSet.Space);
            case 'S': return new Pattern.Unit(CharacterSet.Space.Complement());
            case 'p' or 'P': return new Pattern.Unit(Property(letter == 'P'));
            case 'b' or 'B': throw Refuse("uses a word boundary, which is not supported");
            default: return Single(Character(letter));
        }
    }

    /// <summary>The character of an escape that stands for one, in and outside of brackets.</summary>
    private char Character(char letter)
    {
        switch (letter)
        {
            case 't': return '\t';
            case 'n': return '\n';
            case 'r': return '\r';
            case 'f': return '\f';
            case 'v': return '\v';
            case 'x': return Hex(2);
            case 'u': return Hex(4);
        }

        return char.IsAsciiLetterOrDigit(letter) || letter == '_' || letter > 126
            ? throw Refuse($"uses '\\{letter}', which is not supported")
            : letter;
    }

    private char Hex(int digits)
    {
        if (_at + digits > _text.Length
            || !ushort.TryParse(_text.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            throw Refuse($"has an escape that lacks its {digits} hexadecimal digits");
        }

        _at += digits;
        return (char)value;
    }

    private CharacterSet Property(bool negated)
    {
        var end = _at < _text.Length && _text[_at] == '{' ? _text.IndexOf('}', _at) : -1;
        var set = end < 0 ? null : CharacterSet.Category(_text[(_at + 1)..end]);
        if (set is null)
        {
            throw Refuse("names an unknown Unicode property; general categories such as \\p{L} and \\p{Lu} are supported");
        }

        _at = end + 1;
        return negated ? set.Complement() : set;
    }

    private CharacterSet Class()
    {
        var negated = Take('^');
        if (_at < _text.Length && _text[_at] == ']')
        {
            throw Refuse("has '[]' or '[^]'; write '\\]' for a bracket");
        }

        var set = CharacterSet.Of();
        while (true)
        {
            if (_at >= _text.Length)
            {
                throw Refuse("lacks a ']'");
            }

            if (Take(']'))
            {
                return negated ? set.Complement() : set;
            }

            _budget.Spend(1);
            if (ClassEscape() is { } escaped)
            {
                set = set.Union(escaped);
                continue;
            }

            var low = ClassCharacter();
            var high = low;
            if (_at + 1 < _text.Length && _text[_at] == '-' && _text[_at + 1] != ']')
            {
                _at++;
                if (_text[_at] == '[')
                {
                    throw Refuse("subtracts a class; write '\\-' for a hyphen in front of '['");
                }

                if (ClassEscape() is not null || (high = ClassCharacter()) < low)
                {
                    throw Refuse("has a range in brackets that runs backwards or ends in a class");
                }
            }

            set = set.Union(CharacterSet.Of((low, high)));
        }
    }

    /// <summary>A class such as \d inside brackets, or null when a single character follows.</summary>
    private CharacterSet? ClassEscape()
    {
        if (_text[_at] != '\\' || _at + 1 == _text.Length)
        {
            return null;
        }

        var letter = _text[_at + 1];
        CharacterSet? set = letter switch
        {
            'd' => CharacterSet.Digits,
            'w' => CharacterSet.Word,
            's' => CharacterSet.Space,
            'S' => CharacterSet.Space.Complement(),
            'D' or 'W' => throw Refuse($"uses '\\{letter}' inside brackets; negate the brackets instead"),
            'p' or 'P' => CharacterSet.All,
            _ => null,
        };
        if (set is not null)
        {
            _at += 2;
        }

        return letter is 'p' or 'P' ? Property(letter == 'P') : set;
    }

    private char ClassCharacter()
    {
        var character = _text[_at++];
        if (character != '\\')
        {
            return char.IsSurrogate(character) ? throw Refuse("names a character beyond U+FFFF in brackets") : character;
        }

        if (_at == _text.Length)
        {
            throw Refuse("ends with a backslash");
        }

        var letter = _text[_at++];
        return letter == 'b' ? '\b' : Character(letter);
    }

    private static Pattern.Unit Single(char character) => new(CharacterSet.Of((character, character)));

    private bool Take(char character)
    {
        if (_at >= _text.Length || _text[_at] != character)
        {
            return false;
        }

        _at++;
        return true;
    }

    private GrammarException Refuse(string problem) =>
        new(_budget.Pointer, $"the regular expression {problem} (at character {_at})");
}
