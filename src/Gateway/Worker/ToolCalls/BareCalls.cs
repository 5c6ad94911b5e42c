namespace Gateway.Worker.ToolCalls;

/// <summary>
/// Llama 3: a reply that begins with a JSON object is a call, with or without the Python tag in front of it; further ones are
/// separated by semicolons or white space. Anything else is text, also an object that names no function: data has names, too.
/// </summary>
/// <param name="functions">Names of the functions there are.</param>
/// <param name="beginsInside">As for every parser.</param>
/// <param name="parallel">As for every parser.</param>
internal sealed class BareCalls(IReadOnlyCollection<string> functions, bool beginsInside, bool parallel)
    : ToolCallParser("", openingIsToken: false, beginsInside, parallel)
{
    /// <summary>The token that Llama 3.1 may put in front.</summary>
    public const string PythonTag = "<|python_tag|>";

    private CallObjectReader? _call;
    private bool _decided;

    /// <inheritdoc/>
    protected override int FindOpening(string text)
    {
        if (_decided)
        {
            return -1;
        }

        var start = text.AsSpan().TrimStart();
        if (start.IsEmpty || (start.Length < PythonTag.Length && PythonTag.AsSpan().StartsWith(start)))
        {
            // White space is held back anyway; a piece of the tag is not, and would be text.
            return start.IsEmpty ? -1 : 0;
        }

        _decided = true;
        return start[0] == '{' || start.StartsWith(PythonTag) ? 0 : -1;
    }

    /// <inheritdoc/>
    protected override void Reset() => (_call, _tag) = (null, 0);

    private int _tag;

    /// <inheritdoc/>
    protected override bool TryTake(char c)
    {
        if (_call is null or { IsOver: true })
        {
            if (_tag < PythonTag.Length && c == PythonTag[_tag])
            {
                _tag++;
                return true;
            }

            if (_tag > 0 && _tag < PythonTag.Length)
            {
                _decided = true;
                return false;
            }

            if (char.IsWhiteSpace(c) || (c == ';' && _call is not null))
            {
                return true;
            }

            _call = new CallObjectReader(Begin, AddArguments, functions);
        }

        if (!_call.TryTake(c))
        {
            _decided = true;
            return false;
        }

        if (_call.IsOver)
        {
            _tag = 0;
            EndCall();
        }

        return true;
    }
}
