using System.Text;

namespace Gateway.Worker.ToolCalls;

/// <summary>DeepSeek: markers around a kind, a name and a fenced block of JSON arguments.</summary>
internal sealed class FencedCalls(bool openingIsToken, bool beginsInside, bool parallel)
    : ToolCallParser(CallsBegin, openingIsToken, beginsInside, parallel)
{
    public const string CallsBegin = "<｜tool▁calls▁begin｜>";
    public const string CallBegin = "<｜tool▁call▁begin｜>";
    public const string Separator = "<｜tool▁sep｜>";
    public const string CallEnd = "<｜tool▁call▁end｜>";
    public const string CallsEnd = "<｜tool▁calls▁end｜>";
    public const string Fence = "\n```json\n";

    private const int MaximumHeader = 512;
    private readonly StringBuilder _text = new();
    private CallObjectReader? _arguments;
    private bool _inCall;

    /// <inheritdoc/>
    protected override void Reset()
    {
        _text.Clear();
        (_arguments, _inCall) = (null, false);
    }

    /// <inheritdoc/>
    protected override bool TryTake(char c)
    {
        if (_arguments is { IsOver: false })
        {
            return TakeArguments(c);
        }

        _text.Append(c);
        var text = _text.ToString();
        if (_inCall)
        {
            if (text.EndsWith(CallEnd, StringComparison.Ordinal))
            {
                Reset();
            }

            return text.Length <= MaximumHeader;
        }

        if (text.EndsWith(CallsEnd, StringComparison.Ordinal))
        {
            Leave();
            return true;
        }

        if (!text.EndsWith(Fence, StringComparison.Ordinal))
        {
            return text.Length <= MaximumHeader;
        }

        var name = text[..^Fence.Length];
        name = name[(name.LastIndexOf(Separator, StringComparison.Ordinal) is var at and >= 0 ? at + Separator.Length : 0)..].Trim();
        if (name.Length == 0)
        {
            return false;
        }

        // The arguments stand alone; read as the value of a call, their end is found.
        Begin(name);
        _arguments = new CallObjectReader(_ => { }, AddArguments);
        foreach (var wrapping in "{\"name\":\"-\",\"arguments\":")
        {
            _arguments.TryTake(wrapping);
        }

        _depth = 0;
        return true;
    }

    private int _depth;
    private bool _inString;
    private bool _escaped;

    private bool TakeArguments(char c)
    {
        if (!_arguments!.TryTake(c))
        {
            return false;
        }

        if (_inString)
        {
            _inString = c != '"' || _escaped;
            _escaped = c == '\\' && !_escaped;
        }
        else
        {
            _inString = c == '"';
            _depth += c is '{' or '[' ? 1 : c is '}' or ']' ? -1 : 0;
        }

        if (_depth == 0 && c == '}')
        {
            _arguments.TryTake('}');
            _text.Clear();
            _inCall = true;
            EndCall();
        }

        return true;
    }
}
