using Gateway.Domain.Interactions;

namespace Gateway.Domain.Routing;

/// <summary>Hashes for the choice of a worker: equal in every process and release, fast, and of no use against an attacker.</summary>
public static class RoutingHash
{
    private const ulong Offset = 0xCBF29CE484222325;
    private const ulong Prime = 0x100000001B3;

    // Enough to tell conversations apart; a longer system prompt is the same for all of them.
    private const int CharactersPerMessage = 256;

    /// <summary>The hash of a text (FNV-1a over UTF-16 units).</summary>
    public static ulong Of(ReadOnlySpan<char> text) => Append(Offset, text);

    /// <summary>
    /// The hash of a prompt's beginning: its system messages and the first other one, which later turns of the same
    /// conversation share.
    /// </summary>
    public static ulong OfPrefix(IReadOnlyList<ChatMessage> messages)
    {
        var hash = Offset;
        for (var i = 0; i < messages.Count; i++)
        {
            var text = messages[i].Content.AsSpan();
            hash = Append(hash, text[..Math.Min(text.Length, CharactersPerMessage)]);
            if (messages[i].Role is not ("system" or "developer"))
            {
                break;
            }
        }

        return hash;
    }

    /// <summary>Spreads a value over all 64 bits (the finaliser of SplitMix64).</summary>
    public static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    private static ulong Append(ulong hash, ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            hash = (hash ^ c) * Prime;
        }

        return hash;
    }
}
