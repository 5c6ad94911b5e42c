namespace Gateway.Domain.Interactions;

/// <summary>Finds a reply that has run into a loop: its end says the same thing again and again.</summary>
public static class Repetition
{
    // A loop goes on until the token limit cuts it, so it is at the end and long; short repeats such as "no, no, no" are speech.
    private const int ShortestLoop = 60;
    private const int Window = 4096;

    /// <summary>
    /// The segment that the end of <paramref name="text"/> repeats at least <paramref name="times"/> times in a row over at least
    /// 60 characters, or null. A segment without a letter or digit (a rule of dashes, say) does not count. Linear in the last
    /// 4,096 characters.
    /// </summary>
    public static string? Find(string text, int times)
    {
        var tail = text.AsSpan().TrimEnd();
        tail = tail[Math.Max(0, tail.Length - Window)..];
        if (tail.Length < ShortestLoop)
        {
            return null;
        }

        // Border lengths of the reversed tail: a prefix of length n with a border of length b has the period n - b. The last,
        // partial turn of a loop that was cut in its middle is therefore covered as well.
        var borders = tail.Length <= 1024 ? stackalloc int[tail.Length] : new int[tail.Length];
        for (var i = 1; i < tail.Length; i++)
        {
            var border = borders[i - 1];
            while (border > 0 && tail[^(i + 1)] != tail[^(border + 1)])
            {
                border = borders[border - 1];
            }

            borders[i] = tail[^(i + 1)] == tail[^(border + 1)] ? border + 1 : 0;
        }

        for (var length = tail.Length; length >= ShortestLoop; length--)
        {
            var period = length - borders[length - 1];
            if (period * times <= length)
            {
                var segment = tail.Slice(tail.Length - length, period);
                return HasWord(segment) ? segment.ToString() : null;
            }
        }

        return null;
    }

    private static bool HasWord(ReadOnlySpan<char> segment)
    {
        foreach (var c in segment)
        {
            if (char.IsLetterOrDigit(c))
            {
                return true;
            }
        }

        return false;
    }
}
