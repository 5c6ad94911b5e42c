using System.Text;
using Gateway.Model.Text;

namespace Gateway.Engine.Grammars;

/// <summary>
/// Finds text that a grammar leaves no choice about, as the tokens the tokenizer itself would have made of it: a model continues
/// badly behind a split it has never seen. Not thread-safe.
/// </summary>
internal sealed class ForcedText(GrammarStates states, TokenVocabulary vocabulary)
{
    private const int MaximumBytes = 4096;
    private const int MaximumLookahead = 8;

    // Tokenizers that put a space before a text put it before this instead of before the run.
    private static readonly string[] s_prefixes = ["", "\n"];

    private readonly List<byte> _run = [];

    /// <summary>Whether only one byte may follow.</summary>
    public bool IsForced(int state) => OnlyByte(state) >= 0;

    /// <summary>Tokens that every continuation of <paramref name="state"/> may begin with; mostly none.</summary>
    public int[] Tokens(int state)
    {
        _run.Clear();
        while (_run.Count < MaximumBytes && OnlyByte(state) is var value and >= 0)
        {
            _run.Add((byte)value);
            state = states.Step(state, (byte)value);
        }

        if (_run.Count == 0 || Text() is not { Length: > 0 } text || Encode(text) is not { } tokens)
        {
            return [];
        }

        return states.CanEnd(state) && states.Positions(state) == 0 ? tokens : tokens[..Certain(text, tokens, state)];
    }

    /// <summary>The last token may merge with what comes next, and what comes next may change those before it.</summary>
    private int Certain(string text, int[] tokens, int state)
    {
        var certain = tokens.Length - 1;
        var next = Enumerable.Range(0, 128).Where(value => CanStep(state, (byte)value)).Take(MaximumLookahead);
        foreach (var value in next)
        {
            if (Encode(text + (char)value) is { } longer)
            {
                certain = Math.Min(certain, tokens.AsSpan().CommonPrefixLength(longer));
            }
        }

        return certain;
    }

    /// <summary>The run as text, without a character that is not whole.</summary>
    private string? Text()
    {
        var bytes = _run.ToArray().AsSpan();
        for (var cut = 0; cut < 4 && cut < bytes.Length; cut++)
        {
            if (System.Text.Unicode.Utf8.IsValid(bytes[..^cut]))
            {
                return Encoding.UTF8.GetString(bytes[..^cut]);
            }
        }

        return null;
    }

    /// <summary>The tokens of a text inside a reply; null when the tokenizer changes the text.</summary>
    private int[]? Encode(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        foreach (var prefix in s_prefixes)
        {
            var ids = vocabulary.Tokenizer.Encode(prefix + text, [new TextSpan(0, prefix.Length + text.Length)]);
            var start = ids.Length;
            ReadOnlySpan<byte> left = bytes;
            while (left.Length > 0 && start > 0 && vocabulary.Bytes(ids[start - 1], first: false) is { Length: > 0 } last && left.EndsWith(last))
            {
                left = left[..^last.Length];
                start--;
            }

            if (left.Length == 0)
            {
                return ids[start..];
            }
        }

        return null;
    }

    private int OnlyByte(int state)
    {
        if (states.CanEnd(state))
        {
            return -1;
        }

        for (var i = 0; i < states.Positions(state); i++)
        {
            if (states.TakesTokens(states[state, i]))
            {
                return -1;
            }
        }

        var only = -1;
        for (var value = 0; value < 256; value++)
        {
            if (CanStep(state, (byte)value))
            {
                if (only >= 0)
                {
                    return -1;
                }

                only = value;
            }
        }

        return only;
    }

    private bool CanStep(int state, byte value)
    {
        for (var i = 0; i < states.Positions(state); i++)
        {
            if (states.CanStep(states[state, i], value))
            {
                return true;
            }
        }

        return false;
    }
}
