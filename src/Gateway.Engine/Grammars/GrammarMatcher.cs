namespace Gateway.Engine.Grammars;

/// <summary>
/// Follows one reply through a grammar: says which tokens may come next, takes them, and takes them back. Cheap to make. Not
/// thread-safe; matchers of one grammar may be used by different threads.
/// </summary>
public sealed class GrammarMatcher
{
    // The state of a reply that an end token has closed.
    private const int Closed = -2;

    private readonly GrammarAutomaton _automaton;
    private readonly TokenVocabulary _vocabulary;
    private readonly int[] _endTokens;
    private readonly ulong[] _mask;
    private int[] _states;
    private int _count;
    private int _maskCount = -1;
    private int _maskState;

    /// <summary>Begins a reply.</summary>
    /// <param name="grammar">What the reply must look like.</param>
    /// <param name="vocabulary">The tokens of the model.</param>
    /// <param name="endTokens">Ids that end the reply: allowed where the grammar can end, and nowhere else.</param>
    /// <param name="capacity">Tokens the reply may have; a longer one costs an allocation.</param>
    public GrammarMatcher(Grammar grammar, TokenVocabulary vocabulary, IReadOnlyList<int> endTokens, int capacity = 256)
    {
        _automaton = grammar.Automaton(vocabulary);
        _vocabulary = vocabulary;
        _endTokens = [.. endTokens.Where(token => (uint)token < (uint)vocabulary.Size)];
        _mask = new ulong[vocabulary.MaskWords];
        _states = new int[capacity + 1];
        _states[0] = _automaton.Start;
    }

    /// <summary>Tokens taken and not taken back.</summary>
    public int Count => _count;

    /// <summary>Whether the reply may end here.</summary>
    public bool CanEnd => State != Closed && _automaton.End(State).CanEnd;

    /// <summary>Whether nothing but an end token may follow, or one has been taken.</summary>
    public bool IsComplete => State == Closed || _automaton.End(State).MustEnd;

    private int State => _states[_count];

    /// <summary>
    /// The tokens that may come next: bit t % 64 of word t / 64 stands for token t. No words at all where every token may come,
    /// in free text. No bits once an end token was taken, or when the reply is complete and has no end tokens. Valid until the
    /// next call.
    /// </summary>
    public ReadOnlySpan<ulong> AllowedTokens()
    {
        var first = _count == 0;
        if (State != Closed && _automaton.IsFree(State, first))
        {
            return [];
        }

        if (_maskState == State && _maskCount >= 0 && first == (_maskCount == 0))
        {
            return _mask;
        }

        (_maskState, _maskCount) = (State, _count);
        if (State == Closed)
        {
            _mask.AsSpan().Clear();
            return _mask;
        }

        _automaton.WriteMask(State, first, _mask);
        var canEnd = CanEnd;
        foreach (var token in _endTokens)
        {
            // An end token spelled as text still ends the reply, so it is no text.
            _mask[token >> 6] = canEnd ? _mask[token >> 6] | (1UL << token) : _mask[token >> 6] & ~(1UL << token);
        }

        return _mask;
    }

    /// <summary>Takes the next token; false, and nothing changes, when it is not allowed.</summary>
    public bool TryAccept(int token)
    {
        var next = Next(token);
        if (next == GrammarStates.Dead)
        {
            return false;
        }

        if (_count + 1 == _states.Length)
        {
            Array.Resize(ref _states, _states.Length * 2);
        }

        _states[++_count] = next;
        return true;
    }

    /// <summary>Takes back the last tokens.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are not that many.</exception>
    public void Rollback(int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, _count);
        _count -= tokens;
    }

    /// <summary>
    /// Writes the tokens that have to come next, as the tokenizer would have split their text, and returns how many; mostly 0.
    /// They are not taken: the caller accepts them one by one. Their text is certain; the model may still have preferred
    /// another split.
    /// </summary>
    public int ForcedTokens(Span<int> tokens)
    {
        if (State == Closed || (_count == 0 && _vocabulary.FirstTokens != _vocabulary.Tokens))
        {
            // Text at the start of a reply may be spelled by other tokens than the same text further on.
            return 0;
        }

        var forced = _automaton.Forced(State);
        var count = Math.Min(forced.Length, tokens.Length);
        for (var i = 0; i < count; i++)
        {
            if (_endTokens.AsSpan().Contains(forced[i]))
            {
                return i;
            }

            tokens[i] = forced[i];
        }

        return count;
    }

    private int Next(int token)
    {
        if (State == Closed)
        {
            return GrammarStates.Dead;
        }

        if (_endTokens.AsSpan().Contains(token))
        {
            return CanEnd ? Closed : GrammarStates.Dead;
        }

        return (uint)token < (uint)_vocabulary.Size ? _automaton.Step(State, token, _vocabulary.Bytes(token, first: _count == 0)) : GrammarStates.Dead;
    }
}
