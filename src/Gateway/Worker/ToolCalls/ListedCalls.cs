namespace Gateway.Worker.ToolCalls;

/// <summary>
/// Mistral, Granite and LFM2: a marker and then a list of calls, each a JSON object or, where the family writes them so, a call as
/// in Python.
/// </summary>
/// <param name="opening">The marker.</param>
/// <param name="closing">The marker behind the list, or null.</param>
/// <param name="openingIsToken">As for every parser.</param>
/// <param name="beginsInside">As for every parser.</param>
/// <param name="parallel">As for every parser.</param>
internal sealed class ListedCalls(string opening, string? closing, bool openingIsToken, bool beginsInside, bool parallel)
    : ToolCallParser(opening, openingIsToken, beginsInside, parallel)
{
    private State _state;
    private CallObjectReader? _call;
    private PythonCallReader? _python;
    private int _closed;

    private enum State
    {
        Before,
        Item,
        Object,
        Python,
        BehindItem,
        Behind,
    }

    /// <inheritdoc/>
    protected override void Reset() => (_state, _closed) = (State.Before, 0);

    /// <inheritdoc/>
    protected override bool TryTake(char c)
    {
        switch (_state)
        {
            case State.Object:
                return _call!.TryTake(c) && (!_call.IsOver || EndItem());
            case State.Python:
                return TakePython(c);
            case State.Behind when _closed > 0 || !char.IsWhiteSpace(c):
                return TakeClosing(c);
        }

        if (char.IsWhiteSpace(c))
        {
            return true;
        }

        switch (_state, c)
        {
            case (State.Before, '['):
                _state = State.Item;
                return true;
            case (State.BehindItem, ','):
                _state = State.Item;
                return true;
            case (State.Item or State.BehindItem, ']'):
                _state = State.Behind;
                if (closing is null)
                {
                    Leave();
                }

                return true;
            case (State.Before or State.Item, '{'):
                _state = State.Object;
                _call = new CallObjectReader(Begin, AddArguments);
                return _call.TryTake(c);
            case (State.Item, _) when closing is not null && (char.IsAsciiLetter(c) || c == '_'):
                _state = State.Python;
                _python = new PythonCallReader();
                return TakePython(c);
            default:
                return false;
        }
    }

    private bool TakePython(char c)
    {
        if (!_python!.TryTake(c))
        {
            return false;
        }

        if (_python.Result is not { } call)
        {
            return true;
        }

        Begin(call.Name);
        AddArguments(call.Arguments);
        return EndItem();
    }

    private bool EndItem()
    {
        _state = State.BehindItem;
        EndCall();
        return true;
    }

    private bool TakeClosing(char c)
    {
        if (c != closing![_closed])
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
