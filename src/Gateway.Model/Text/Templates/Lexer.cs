using System.Globalization;
using System.Text;

namespace Gateway.Model.Text.Templates;

/// <summary>
/// Cuts a template into tokens, with Jinja's trim_blocks and lstrip_blocks on and one trailing newline dropped, as chat
/// templates are published.
/// </summary>
internal sealed class Lexer
{
    private static readonly string[] s_operators =
    [
        "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ":", "|", ",", "(", ")", "[", "]", "{", "}",
    ];

    /// <summary>Bounds how deep the expression of one tag can nest or chain, and so the stack it needs.</summary>
    private const int MostTokensInTag = 2048;

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _at;
    private int _line = 1;

    private Lexer(string source) => _source = source;

    public static List<Token> Run(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (source.EndsWith('\n'))
            source = source[..^1];
        var lexer = new Lexer(source);
        lexer.Run();
        return lexer._tokens;
    }

    private void Run()
    {
        var isLineStart = true;
        while (_at < _source.Length)
        {
            var open = NextTag(_at);
            if (open < 0)
            {
                AddText(_source[_at..]);
                break;
            }

            var kind = _source[open + 1];
            var sign = open + 2 < _source.Length && _source[open + 2] is '-' or '+' ? _source[open + 2] : '\0';
            AddText(Before(_source[_at..open], kind, sign, isLineStart));
            Advance(open);
            _at += sign == '\0' ? 2 : 3;
            if (kind == '#')
                SkipComment();
            else if (kind == '{' || !TrySkipRaw())
                ReadTag(kind);
            isLineStart = _source[_at - 1] == '\n';
        }

        _tokens.Add(new Token(TokenKind.EndOfTemplate, "", _line));
    }

    private int NextTag(int from)
    {
        for (var at = _source.IndexOf('{', from); at >= 0 && at + 1 < _source.Length; at = _source.IndexOf('{', at + 1))
        {
            if (_source[at + 1] is '{' or '%' or '#')
                return at;
        }

        return -1;
    }

    /// <summary>The text before a tag: all its trailing space goes with '-', the tag's indentation with lstrip_blocks.</summary>
    private static string Before(string text, char kind, char sign, bool isLineStart)
    {
        if (sign == '-')
            return text.TrimEnd();
        if (sign == '+' || kind == '{')
            return text;
        var line = text.LastIndexOf('\n') + 1;
        var isIndentation = (line > 0 || isLineStart) && text.AsSpan(line).Trim().IsEmpty;
        return isIndentation ? text[..line] : text;
    }

    /// <summary>The space behind a tag: all of it goes with '-', one newline with trim_blocks unless '+'.</summary>
    private void SkipBehind(char sign, bool trimsBlock)
    {
        if (sign == '-')
        {
            var end = _at;
            while (end < _source.Length && char.IsWhiteSpace(_source[end]))
                end++;
            Advance(end);
        }
        else if (trimsBlock && sign != '+' && _at < _source.Length && _source[_at] == '\n')
        {
            Advance(_at + 1);
        }
    }

    private void SkipComment()
    {
        var close = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (close < 0)
            throw Error("the comment is not closed; add '#}'.");
        var sign = close > _at && _source[close - 1] is '-' or '+' ? _source[close - 1] : '\0';
        Advance(close + 2);
        SkipBehind(sign, trimsBlock: true);
    }

    /// <summary>Takes {% raw %} … {% endraw %} as text.</summary>
    private bool TrySkipRaw()
    {
        var at = _at;
        if (!TryTag(ref at, "raw", out var openSign))
            return false;
        Advance(at);
        SkipBehind(openSign, trimsBlock: true);
        for (var open = _source.IndexOf("{%", _at, StringComparison.Ordinal); open >= 0; open = _source.IndexOf("{%", open + 2, StringComparison.Ordinal))
        {
            var inner = open + 2;
            var sign = inner < _source.Length && _source[inner] is '-' or '+' ? _source[inner++] : '\0';
            if (!TryTag(ref inner, "endraw", out var closeSign))
                continue;
            AddText(Before(_source[_at..open], '%', sign, _source[_at - 1] == '\n'));
            Advance(inner);
            SkipBehind(closeSign, trimsBlock: true);
            return true;
        }

        throw Error("the raw block is not closed; add '{% endraw %}'.");
    }

    private bool TryTag(ref int at, string name, out char sign)
    {
        sign = '\0';
        while (at < _source.Length && char.IsWhiteSpace(_source[at]))
            at++;
        if (string.CompareOrdinal(_source, at, name, 0, name.Length) != 0)
            return false;
        at += name.Length;
        while (at < _source.Length && char.IsWhiteSpace(_source[at]))
            at++;
        if (at < _source.Length && _source[at] is '-' or '+')
            sign = _source[at++];
        if (string.CompareOrdinal(_source, at, "%}", 0, 2) != 0)
            return false;
        at += 2;
        return true;
    }

    private void ReadTag(char kind)
    {
        _tokens.Add(new Token(kind == '{' ? TokenKind.OutputBegin : TokenKind.BlockBegin, kind == '{' ? "{{" : "{%", _line));
        var close = kind == '{' ? "}}" : "%}";
        var first = _tokens.Count;
        for (var depth = 0; ;)
        {
            if (_tokens.Count - first > MostTokensInTag)
                throw Error($"a tag has more than {MostTokensInTag} elements; split it with 'set'.");
            while (_at < _source.Length && char.IsWhiteSpace(_source[_at]))
                Advance(_at + 1);
            if (_at >= _source.Length)
                throw Error($"the tag is not closed; add '{close}'.");
            if (depth == 0 && TryClose(close, out var sign))
            {
                _tokens.Add(new Token(TokenKind.End, close, _line));
                _at += sign == '\0' ? 2 : 3;
                SkipBehind(sign, trimsBlock: kind == '%');
                return;
            }

            ReadToken();
            depth += _tokens[^1] switch
            {
                { Kind: TokenKind.Operator, Text: "(" or "[" or "{" } => 1,
                { Kind: TokenKind.Operator, Text: ")" or "]" or "}" } => -1,
                _ => 0,
            };
        }
    }

    private bool TryClose(string close, out char sign)
    {
        sign = _source[_at] is '-' or '+' ? _source[_at] : '\0';
        return string.CompareOrdinal(_source, sign == '\0' ? _at : _at + 1, close, 0, 2) == 0;
    }

    private void ReadToken()
    {
        var first = _source[_at];
        if (first is '"' or '\'')
            ReadString(first);
        else if (char.IsAsciiDigit(first))
            ReadNumber();
        else if (char.IsLetter(first) || first == '_')
            Add(TokenKind.Name, Take(c => char.IsLetterOrDigit(c) || c == '_'));
        else if (Array.Find(s_operators, o => string.CompareOrdinal(_source, _at, o, 0, o.Length) == 0) is { } found)
            Add(TokenKind.Operator, found);
        else
            throw Error($"the character '{first}' is not expected here.");
    }

    private void ReadNumber()
    {
        var end = _at;
        while (end < _source.Length && (char.IsAsciiDigit(_source[end]) || _source[end] == '_'))
            end++;
        var isFloat = false;
        if (end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1]))
        {
            isFloat = true;
            for (end++; end < _source.Length && (char.IsAsciiDigit(_source[end]) || _source[end] == '_');)
                end++;
        }

        var exponent = end + 1;
        if (end < _source.Length && _source[end] is 'e' or 'E')
        {
            if (exponent < _source.Length && _source[exponent] is '+' or '-')
                exponent++;
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent]))
            {
                isFloat = true;
                for (end = exponent; end < _source.Length && char.IsAsciiDigit(_source[end]);)
                    end++;
            }
        }

        var digits = _source[_at..end];
        _tokens.Add(new Token(isFloat ? TokenKind.Float : TokenKind.Integer, digits.Replace("_", "", StringComparison.Ordinal), _line));
        _at = end;
    }

    private void ReadString(char quote)
    {
        var (line, result) = (_line, new StringBuilder());
        var at = _at + 1;
        for (; at < _source.Length && _source[at] != quote;)
        {
            if (_source[at] == '\\' && at + 1 < _source.Length)
                at = ReadEscape(at + 1, result);
            else
                result.Append(_source[at++]);
        }

        if (at >= _source.Length)
            throw Error("the string is not closed; add the quote.");
        Advance(at + 1);
        _tokens.Add(new Token(TokenKind.String, result.ToString(), line));
    }

    /// <summary>Python's escapes; an unknown one keeps its backslash.</summary>
    private int ReadEscape(int at, StringBuilder result)
    {
        var simple = _source[at] switch
        {
            'n' => "\n",
            't' => "\t",
            'r' => "\r",
            'b' => "\b",
            'f' => "\f",
            'v' => "\v",
            'a' => "\a",
            '\\' => "\\",
            '\'' => "'",
            '"' => "\"",
            '\n' => "",
            _ => null,
        };
        if (simple is not null)
        {
            result.Append(simple);
            return at + 1;
        }

        var digits = _source[at] switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0)
        {
            if (at + digits >= _source.Length
                || !int.TryParse(_source.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var point)
                || point is < 0 or > 0x10FFFF)
                throw Error($"the escape '\\{_source[at]}' needs {digits} hexadecimal digits.");
            result.Append(point <= 0xFFFF ? ((char)point).ToString() : char.ConvertFromUtf32(point));
            return at + 1 + digits;
        }

        var end = at;
        while (end < _source.Length && end < at + 3 && _source[end] is >= '0' and <= '7')
            end++;
        if (end > at)
        {
            result.Append((char)Convert.ToInt32(_source[at..end], 8));
            return end;
        }

        result.Append('\\').Append(_source[at]);
        return at + 1;
    }

    private string Take(Func<char, bool> belongs)
    {
        var end = _at;
        while (end < _source.Length && belongs(_source[end]))
            end++;
        return _source[_at..end];
    }

    private void Add(TokenKind kind, string text)
    {
        _tokens.Add(new Token(kind, text, _line));
        _at += text.Length;
    }

    private void AddText(string text)
    {
        if (text.Length > 0)
            _tokens.Add(new Token(TokenKind.Text, text, _line));
    }

    private void Advance(int to)
    {
        _line += _source.AsSpan(_at, to - _at).Count('\n');
        _at = to;
    }

    private TemplateException Error(string message) => new(TemplateErrorKind.Syntax, message, _line);
}
