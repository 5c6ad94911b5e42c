namespace Gateway.Engine.Speculation;

/// <summary>
/// Proposes how a text goes on by looking for an earlier place where it said the same (prompt lookup: Saxena 2023). Pays off
/// where replies repeat their prompt: editing, extraction, structured output.
/// </summary>
public static class PromptLookup
{
    /// <summary>Tokens that must agree.</summary>
    public const int LeastMatch = 3;

    private const int MostMatch = 8;
    private const int MostPlaces = 64;

    /// <summary>Copies what followed the longest, and among those the latest, earlier match of the last tokens; returns how many tokens.</summary>
    /// <param name="tokens">Prompt and reply so far.</param>
    /// <param name="proposal">Receives at most its length.</param>
    public static int Propose(ReadOnlySpan<int> tokens, Span<int> proposal)
    {
        if (tokens.Length <= LeastMatch)
        {
            return 0;
        }

        var (best, bestMatch) = (-1, LeastMatch - 1);
        var earlier = tokens[..^1];
        for (var place = 0; place < MostPlaces && bestMatch < MostMatch; place++)
        {
            var end = earlier.LastIndexOf(tokens[^1]);
            if (end < LeastMatch - 1)
            {
                break;
            }

            var match = MatchLength(tokens, end);
            if (match > bestMatch)
            {
                (best, bestMatch) = (end + 1, match);
            }

            earlier = earlier[..end];
        }

        if (best < 0)
        {
            return 0;
        }

        // The continuation may run into its own proposal: a repeated pattern goes on for as long as is asked.
        for (var i = 0; i < proposal.Length; i++)
        {
            proposal[i] = best + i < tokens.Length ? tokens[best + i] : proposal[best + i - tokens.Length];
        }

        return proposal.Length;
    }

    /// <summary>How many tokens before and at <paramref name="end"/> agree with the last ones.</summary>
    private static int MatchLength(ReadOnlySpan<int> tokens, int end)
    {
        var length = 1;
        while (length < MostMatch && length <= end && tokens[end - length] == tokens[^(length + 1)])
        {
            length++;
        }

        return length;
    }
}
