namespace Gateway.Domain.Guards;

/// <summary>A find of a guard.</summary>
public readonly record struct GuardFind(GuardRule Rule);

/// <summary>
/// Looks at a text that comes in pieces, or at once, and says what of it may leave. The last <paramref name="window"/>
/// characters are held back until more has come, so that a find leaves whole or not at all. Used by one thread at a time.
/// </summary>
/// <param name="guards">The guards, in order.</param>
/// <param name="window">Characters to hold back.</param>
public sealed class GuardWindow(IReadOnlyList<TextGuard> guards, int window)
{
    private readonly HashSet<string>?[] _found = new HashSet<string>?[guards.Count];
    private readonly List<GuardRule> _flagged = [];
    private string _held = "";

    /// <summary>The guard that has blocked the text, or null.</summary>
    public GuardRule? Blocked { get; private set; }

    /// <summary>The guards that have marked or changed it, each once.</summary>
    public IReadOnlyList<GuardRule> Found => _flagged;

    /// <summary>Adds a piece and returns what may leave now; nothing more does once it is blocked.</summary>
    /// <param name="piece">The next piece.</param>
    /// <param name="isLast">True when nothing follows, so that nothing needs to be held back.</param>
    public string Push(string piece, bool isLast)
    {
        if (Blocked is not null)
        {
            return "";
        }

        _held += piece;
        for (var i = 0; i < guards.Count && Blocked is null; i++)
        {
            Apply(i, isLast);
        }

        if (Blocked is not null)
        {
            _held = "";
            return "";
        }

        var leaving = isLast ? _held.Length : Math.Max(0, _held.Length - window);

        // A character of two halves stays whole.
        if (leaving > 0 && leaving < _held.Length && char.IsLowSurrogate(_held[leaving]))
        {
            leaving--;
        }

        var released = _held[..leaving];
        _held = _held[leaving..];
        return released;
    }

    /// <summary>A find that touches the end of what has come may go on in the next piece, so it waits for it.</summary>
    private void Apply(int index, bool isLast)
    {
        var guard = guards[index];
        for (var (start, length) = guard.Next(_held, 0); length > 0; (start, length) = guard.Next(_held, start))
        {
            if (!isLast && start + length == _held.Length && length < window)
            {
                return;
            }

            var found = _found[index] ??= new(StringComparer.OrdinalIgnoreCase);
            found.Add(_held.Substring(start, length));
            if (found.Count >= guard.Threshold)
            {
                if (guard.Rule.Action == GuardAction.Block)
                {
                    Blocked = guard.Rule;
                    return;
                }

                if (!_flagged.Contains(guard.Rule))
                {
                    _flagged.Add(guard.Rule);
                }

                if (guard.Rule.Action == GuardAction.Redact)
                {
                    _held = string.Concat(_held.AsSpan(0, start), guard.Placeholder, _held.AsSpan(start + length));
                    length = guard.Placeholder.Length;
                }
            }

            start += length;
        }
    }
}
