namespace Gateway.Worker.ToolCalls;

/// <summary>Qwen and Hermes: every call is a JSON object between two tags.</summary>
internal sealed class TaggedCalls(string opening, string closing, bool openingIsToken, bool beginsInside, bool parallel)
    : ToolCallParser(opening, openingIsToken, beginsInside, parallel)
{
    private CallObjectReader? _call;
    private int _closed;

    /// <inheritdoc/>
    protected override void Reset() => (_call, _closed) = (null, 0);

    /// <inheritdoc/>
    protected override bool TryTake(char c)
    {
        _call ??= new CallObjectReader(Begin, AddArguments);
        if (!_call.IsOver)
        {
            if (!_call.TryTake(c))
            {
                return false;
            }

            if (_call.IsOver)
            {
                EndCall();
            }

            return true;
        }

        if (_closed == 0 && char.IsWhiteSpace(c))
        {
            return true;
        }

        if (c != closing[_closed])
        {
            return false;
        }

        if (++_closed == closing.Length)
        {
            Leave();
        }

        return true;
    }
}
