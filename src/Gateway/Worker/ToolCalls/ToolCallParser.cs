using System.Text;

namespace Gateway.Worker.ToolCalls;

/// <summary>
/// Splits a reply into text for the user and calls, as it comes. Text that may turn out to open a call is held back; what opens
/// one and is none is text after all. One per reply; not thread-safe.
/// </summary>
/// <param name="opening">The text in front of calls.</param>
/// <param name="openingIsToken">True when the tokenizer has a token for it: then only that token opens calls, and the same text spelled otherwise, by a user who is quoted say, does not.</param>
/// <param name="beginsInside">True when the prompt ends with the opening, because a call is required.</param>
/// <param name="parallel">False to be over with the first call.</param>
internal abstract class ToolCallParser(string opening, bool openingIsToken, bool beginsInside, bool parallel)
{
    private readonly StringBuilder _raw = new();
    private List<ReplyPart> _parts = [];
    private string _held = "";
    private bool _inside = beginsInside;
    private bool _isExpected = beginsInside;
    private bool _begun;

    /// <summary>Calls begun so far.</summary>
    public int Calls { get; private set; }

    /// <summary>True when no further call is wanted.</summary>
    public bool IsOver { get; private set; }

    /// <summary>The text in front of calls.</summary>
    protected string Opening => opening;

    /// <summary>Takes more of the reply.</summary>
    /// <param name="text">The text of a token.</param>
    /// <param name="isMarker">Whether that token stands for one of the family's markers.</param>
    /// <param name="parts">Receives what is certain.</param>
    public void Append(string text, bool isMarker, List<ReplyPart> parts)
    {
        _parts = parts;
        if (_inside)
        {
            TakeInside(text);
            return;
        }

        _held += text;
        var at = openingIsToken
            ? isMarker && _held.EndsWith(opening, StringComparison.Ordinal) ? _held.Length - opening.Length : -1
            : FindOpening(_held);
        if (at < 0)
        {
            var safe = _held.Length - HeldLength();
            AddContent(_held[..safe]);
            _held = _held[safe..];
            return;
        }

        AddContent(_held[..at].TrimEnd());
        var rest = _held[(at + opening.Length)..];
        _held = "";
        Enter();
        TakeInside(rest);
    }

    /// <summary>Ends the reply: what is held back is text, unless only white space follows a call.</summary>
    public void Flush(List<ReplyPart> parts)
    {
        _parts = parts;
        if (_inside && !_begun && !_isExpected)
        {
            Fail();
        }

        if (Calls == 0 || !string.IsNullOrWhiteSpace(_held))
        {
            AddContent(_held);
        }

        _held = "";
    }

    /// <summary>Where the opening begins, or −1.</summary>
    protected virtual int FindOpening(string text) => text.IndexOf(opening, StringComparison.Ordinal);

    /// <summary>Takes a character behind the opening; false when the text is no call.</summary>
    protected abstract bool TryTake(char c);

    /// <summary>Called at every opening.</summary>
    protected abstract void Reset();

    /// <summary>A call begins.</summary>
    protected void Begin(string name)
    {
        _parts.Add(new ReplyPart(ReplyPartKind.Call, Calls++, name));
        _begun = true;
    }

    /// <summary>More of its arguments.</summary>
    protected void AddArguments(string text)
    {
        if (_parts is [.., { Kind: ReplyPartKind.Arguments } last])
        {
            _parts[^1] = last with { Text = last.Text + text };
        }
        else
        {
            _parts.Add(new ReplyPart(ReplyPartKind.Arguments, Calls - 1, text));
        }
    }

    /// <summary>The call has ended.</summary>
    protected void EndCall()
    {
        IsOver |= !parallel;
        _raw.Clear();
    }

    /// <summary>Text for the user follows.</summary>
    protected void Leave()
    {
        _raw.Clear();
        _inside = false;
    }

    private void Enter()
    {
        (_inside, _begun, _isExpected) = (true, false, false);
        _raw.Clear().Append(opening);
        Reset();
    }

    private void TakeInside(string text)
    {
        for (var i = 0; i < text.Length && !IsOver; i++)
        {
            if (!_inside)
            {
                Append(text[i..], isMarker: false, _parts);
                return;
            }

            _raw.Append(text[i]);
            if (!TryTake(text[i]))
            {
                Fail();
            }
        }
    }

    /// <summary>What was taken since the last call is text.</summary>
    private void Fail()
    {
        _inside = false;
        AddContent(_raw.ToString());
        _raw.Clear();
    }

    private void AddContent(string text)
    {
        if (text.Length == 0)
        {
            return;
        }

        if (_parts is [.., { Kind: ReplyPartKind.Content } last])
        {
            _parts[^1] = last with { Text = last.Text + text };
        }
        else
        {
            _parts.Add(new ReplyPart(ReplyPartKind.Content, 0, text));
        }
    }

    /// <summary>Length of the suffix that could still open a call, with the white space in front of it.</summary>
    private int HeldLength()
    {
        var length = 0;
        for (var i = Math.Min(_held.Length, opening.Length - 1); i > 0 && length == 0 && !openingIsToken; i--)
        {
            length = opening.AsSpan(0, i).SequenceEqual(_held.AsSpan(_held.Length - i)) ? i : 0;
        }

        while (length < _held.Length && char.IsWhiteSpace(_held[_held.Length - length - 1]))
        {
            length++;
        }

        return length;
    }
}
