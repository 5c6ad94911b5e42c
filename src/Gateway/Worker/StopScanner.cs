namespace Gateway.Worker;

/// <summary>
/// Cuts a growing text at the first complete stop string. Text that could still become one is held back, so that nothing of a
/// stop string is ever sent, wherever token borders fall.
/// </summary>
/// <param name="stops">The stop strings.</param>
/// <param name="keepsStop">True to leave the stop string that ends the text in it.</param>
internal sealed class StopScanner(IReadOnlyList<string> stops, bool keepsStop = false)
{
    private string _held = "";

    /// <summary>True once a stop string was seen; later text is not looked at.</summary>
    public bool Stopped => Stop is not null;

    /// <summary>The stop string that was seen.</summary>
    public string? Stop { get; private set; }

    /// <summary>Takes more text and returns what is safe to send.</summary>
    public string Append(string text)
    {
        if (stops.Count == 0)
        {
            return text;
        }

        var buffer = _held + text;
        if (FirstMatch(buffer) is { } match)
        {
            Stop = match.Stop;
            _held = "";
            return buffer[..(match.Start + (keepsStop ? match.Stop.Length : 0))];
        }

        var safe = buffer.Length - HeldLength(buffer);
        _held = buffer[safe..];
        return buffer[..safe];
    }

    /// <summary>What was held back, once no more text can come.</summary>
    public string Flush()
    {
        var rest = _held;
        _held = "";
        return rest;
    }

    /// <summary>Start of the stop string that is complete first; of several that end together the longest.</summary>
    private (int Start, string Stop)? FirstMatch(string buffer)
    {
        (int Start, string Stop)? match = null;
        var end = int.MaxValue;
        foreach (var stop in stops)
        {
            var at = buffer.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (at + stop.Length < end || (at + stop.Length == end && at < match!.Value.Start)))
            {
                (match, end) = ((at, stop), at + stop.Length);
            }
        }

        return match;
    }

    /// <summary>Length of the longest suffix that is a proper prefix of a stop string.</summary>
    private int HeldLength(string buffer)
    {
        var longest = Math.Min(buffer.Length, stops.Max(stop => stop.Length) - 1);
        for (var length = longest; length > 0; length--)
        {
            foreach (var stop in stops)
            {
                if (length < stop.Length && buffer.AsSpan(buffer.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                {
                    return length;
                }
            }
        }

        return 0;
    }
}
