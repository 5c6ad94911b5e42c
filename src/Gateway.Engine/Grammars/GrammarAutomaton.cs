namespace Gateway.Engine.Grammars;

/// <summary>
/// The states of a grammar over one vocabulary, with the masks and forced tokens found so far; shared by all sequences of the
/// grammar. Thread-safe: one lock, held for one question at a time.
/// </summary>
internal sealed class GrammarAutomaton
{
    // A grammar with free object keys makes new states as long as it is used; a full automaton is left to its last sequences.
    private const int MaximumStates = 50_000;
    private const int MaskSlots = 64;

    private readonly Lock _gate = new();
    private readonly GrammarStates _states;
    private readonly MaskBuilder _builder;
    private readonly MaskBuilder _firstBuilder;
    private readonly ForcedText _forcedText;
    private readonly Dictionary<int, int[]> _forced = [];
    private readonly Dictionary<int, int> _slotOf = [];
    private readonly List<(int State, ulong[] Mask)> _slots = [];
    private int _nextSlot;

    public GrammarAutomaton(GrammarStates states, TokenVocabulary vocabulary)
    {
        (_states, Vocabulary) = (states, vocabulary);
        _builder = new MaskBuilder(states, vocabulary.Tokens);
        _firstBuilder = new MaskBuilder(states, vocabulary.FirstTokens);
        _forcedText = new ForcedText(states, vocabulary);
    }

    public TokenVocabulary Vocabulary { get; }

    /// <summary>Nothing written yet.</summary>
    public int Start => _states.Start;

    /// <summary>Whether new sequences should begin with a new automaton.</summary>
    public bool IsFull
    {
        get
        {
            lock (_gate)
            {
                return _states.Count > MaximumStates;
            }
        }
    }

    /// <summary>Whether the text may end, and whether it must.</summary>
    public (bool CanEnd, bool MustEnd) End(int state)
    {
        lock (_gate)
        {
            return (_states.CanEnd(state), _states.CanEnd(state) && _states.Positions(state) == 0);
        }
    }

    /// <summary>Whether every token may follow a state, so that no mask is needed; <paramref name="first"/> when the reply has none yet.</summary>
    public bool IsFree(int state, bool first)
    {
        lock (_gate)
        {
            return (first ? _firstBuilder : _builder).IsFree(state);
        }
    }

    /// <summary>The state behind a token, or <see cref="GrammarStates.Dead"/>.</summary>
    public int Step(int state, int token, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            return _states.Step(state, token, bytes);
        }
    }

    /// <summary>Writes the tokens that may follow a state; <paramref name="first"/> when the reply has none yet.</summary>
    public void WriteMask(int state, bool first, Span<ulong> mask)
    {
        lock (_gate)
        {
            if (first && Vocabulary.FirstTokens != Vocabulary.Tokens)
            {
                _firstBuilder.Write(state, mask);
                return;
            }

            if (_slotOf.TryGetValue(state, out var slot))
            {
                _slots[slot].Mask.CopyTo(mask);
                return;
            }

            _builder.Write(state, mask);
            Keep(state, mask);
        }
    }

    /// <summary>Tokens that every continuation begins with.</summary>
    public int[] Forced(int state)
    {
        lock (_gate)
        {
            // Most states leave a choice and are not worth an entry.
            if (!_forcedText.IsForced(state))
            {
                return [];
            }

            if (!_forced.TryGetValue(state, out var tokens))
            {
                _forced.Add(state, tokens = _forcedText.Tokens(state));
            }

            return tokens;
        }
    }

    /// <summary>Round robin: a state that matters comes back soon, and its slot is written again.</summary>
    private void Keep(int state, ReadOnlySpan<ulong> mask)
    {
        if (_slots.Count < MaskSlots)
        {
            _slotOf[state] = _slots.Count;
            _slots.Add((state, mask.ToArray()));
            return;
        }

        _slotOf.Remove(_slots[_nextSlot].State);
        _slotOf[state] = _nextSlot;
        mask.CopyTo(_slots[_nextSlot].Mask);
        _slots[_nextSlot] = (state, _slots[_nextSlot].Mask);
        _nextSlot = (_nextSlot + 1) % MaskSlots;
    }
}
