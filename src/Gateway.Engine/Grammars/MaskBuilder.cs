namespace Gateway.Engine.Grammars;

/// <summary>
/// Finds the tokens whose bytes keep a grammar alive. What a terminal takes by itself comes whole from its cached mask; only the
/// tokens that reach over its end, and those at structural characters, are followed byte by byte. Not thread-safe.
/// </summary>
internal sealed class MaskBuilder(GrammarStates states, TokenTrie trie)
{
    private readonly HashSet<int> _taken = [];
    private readonly List<byte> _path = [];
    private readonly ulong[] _text = new ulong[(trie.Size + 63) / 64];

    /// <summary>Whether every token may follow <paramref name="state"/>: in free text, where no token both opens a part and goes on behind the opening.</summary>
    public bool IsFree(int state) =>
        states.Positions(state) == 1
        && states[state, 0] is var at
        && states.RuleOf(at) is OpeningsRule { IsText: true } rule
        && (rule.Texts is null || at.State == OpeningsRule.Plain || !trie.Masks(rule.Texts)[at.State].HasTokensBehindEnds);

    /// <summary>Sets the bits of the tokens that may follow <paramref name="state"/>; the others are cleared.</summary>
    public void Write(int state, Span<ulong> mask)
    {
        mask.Clear();
        for (var i = 0; i < states.Positions(state); i++)
        {
            var position = states[state, i];
            switch (states.RuleOf(position))
            {
                case TerminalRule terminal:
                    AddTerminal(terminal, position, mask);
                    break;
                case TokenRule named:
                    mask[named.Token >> 6] |= 1UL << named.Token;
                    break;
                case OpeningsRule { IsText: true } openings:
                    AddText(openings, position, mask);
                    break;
                case OpeningsRule openings:
                    WalkStructure(0, position, mask);
                    AddTokens(openings, position.State, mask);
                    break;
                default:
                    WalkStructure(0, position, mask);
                    break;
            }
        }
    }

    private static void AddTokens(OpeningsRule rule, int state, Span<ulong> mask)
    {
        if (rule.TakesTokens(state))
        {
            foreach (var token in rule.Tokens)
            {
                mask[token >> 6] |= 1UL << token;
            }
        }
    }

    /// <summary>All tokens but those that open a part and go on as the part cannot.</summary>
    private void AddText(OpeningsRule rule, in GrammarStates.Position at, Span<ulong> mask)
    {
        Array.Fill(_text, ulong.MaxValue);
        foreach (var (node, _) in rule.Texts is null || at.State == OpeningsRule.Plain ? [] : trie.Masks(rule.Texts)[at.State].Ends)
        {
            for (var below = node + 1; below < trie.End(node); below++)
            {
                foreach (var token in trie.Tokens(below))
                {
                    _text[token >> 6] &= ~(1UL << token);
                }
            }

            Walk(node, StateAt(node, at), _text);
        }

        for (var word = 0; word < _text.Length; word++)
        {
            mask[word] |= _text[word];
        }
    }

    /// <summary>The state behind the bytes that lead to a node.</summary>
    private int StateAt(int node, in GrammarStates.Position at)
    {
        var parent = trie.Parent(node);
        return parent == 0 ? states.StepFrom(at, trie.Byte(node)) : states.Step(StateAt(parent, at), trie.Byte(node));
    }

    private void AddTerminal(TerminalRule rule, in GrammarStates.Position at, Span<ulong> mask)
    {
        var terminal = trie.Masks(rule.Dfa)[at.State];
        if (rule.IsKey)
        {
            terminal.AddInside(int.MaxValue, mask);
            AddKeyEnds(terminal, at, mask);
            return;
        }

        var limit = rule.Maximum == int.MaxValue ? int.MaxValue : rule.Maximum - at.Counter;
        terminal.AddInside(limit, mask);
        foreach (var (node, charge) in terminal.Ends)
        {
            if (charge <= limit && at.Counter + charge >= rule.Minimum)
            {
                Mark(node, mask);
                Walk(node, at.Return, mask);
            }
        }
    }

    /// <summary>A key may end everywhere but where its text is taken; those nodes are found from the taken texts.</summary>
    private void AddKeyEnds(TerminalMask terminal, in GrammarStates.Position at, Span<ulong> mask)
    {
        for (var i = 0; i < states.Positions(at.Return); i++)
        {
            var parent = states[at.Return, i];
            _taken.Clear();
            foreach (var name in states.Names(parent.Rule))
            {
                AddTaken(name, at);
            }

            for (var chain = parent.Counter; chain != KeyTable.Empty;)
            {
                (chain, var text) = states.Keys.Last(chain);
                AddTaken(text, at);
            }

            foreach (var (node, _) in terminal.Ends)
            {
                if (_taken.Contains(node))
                {
                    continue;
                }

                Mark(node, mask);
                if (trie.Child(node, (byte)':') >= 0)
                {
                    Walk(node, states.EndKey(parent, TextAt(node, at)), mask);
                }
            }
        }
    }

    private void AddTaken(int text, in GrammarStates.Position at)
    {
        // At its beginning the key's opening quote is still to come.
        var node = at.State == 0 ? RestBehindQuote(text) : states.Keys.Rest(trie, text, at.Counter, 0);
        if (node >= 0 && trie.Child(node, (byte)'"') is var end and >= 0)
        {
            _taken.Add(end);
        }
    }

    private int RestBehindQuote(int text) =>
        trie.Child(0, (byte)'"') is var quote and >= 0 ? states.Keys.Rest(trie, text, KeyTable.Empty, quote) : -1;

    /// <summary>The text of a key that goes on to the quote at <paramref name="node"/>.</summary>
    private int TextAt(int node, in GrammarStates.Position at)
    {
        _path.Clear();
        for (node = trie.Parent(node); node != 0; node = trie.Parent(node))
        {
            _path.Add(trie.Byte(node));
        }

        var (text, from) = at.State == 0 ? (KeyTable.Empty, _path.Count - 2) : (at.Counter, _path.Count - 1);
        for (var i = from; i >= 0; i--)
        {
            text = states.Keys.Append(text, _path[i]);
        }

        return text;
    }

    private void Walk(int node, int state, Span<ulong> mask)
    {
        if (trie.End(node) == node + 1)
        {
            return;
        }

        for (var i = 0; i < states.Positions(state); i++)
        {
            var position = states[state, i];
            if (states.RuleOf(position) is TerminalRule terminal)
            {
                WalkTerminal(node, terminal, position, mask);
            }
            else
            {
                WalkStructure(node, position, mask);
            }
        }
    }

    private void WalkStructure(int node, in GrammarStates.Position at, Span<ulong> mask)
    {
        for (var child = node + 1; child < trie.End(node); child = trie.End(child))
        {
            if (states.CanStep(at, trie.Byte(child)))
            {
                Mark(child, mask);
                if (trie.End(child) > child + 1)
                {
                    Walk(child, states.StepFrom(at, trie.Byte(child)), mask);
                }
            }
        }
    }

    private void WalkTerminal(int node, TerminalRule rule, in GrammarStates.Position at, Span<ulong> mask)
    {
        for (var child = node + 1; child < trie.End(node); child = trie.End(child))
        {
            var value = trie.Byte(child);
            var transition = rule.Dfa.Next(at.State, value);
            var counter = transition == ByteDfa.Dead ? -1 : states.CounterBehind(rule, at, value, transition);
            if (counter < 0)
            {
                continue;
            }

            var target = ByteDfa.Target(transition);
            if (rule.Dfa.Accepts(target))
            {
                WalkEnd(child, rule, at.Return, counter, mask);
            }

            if (rule.Dfa.Continues(target))
            {
                Mark(child, mask);
                WalkTerminal(child, rule, at with { State = target, Counter = counter }, mask);
            }
        }
    }

    private void WalkEnd(int node, TerminalRule rule, int continuation, int counter, Span<ulong> mask)
    {
        if (!rule.IsKey)
        {
            if (counter >= rule.Minimum)
            {
                Mark(node, mask);
                Walk(node, continuation, mask);
            }

            return;
        }

        for (var i = 0; i < states.Positions(continuation); i++)
        {
            var parent = states[continuation, i];
            if (!states.IsTaken(parent, counter))
            {
                Mark(node, mask);
                if (trie.Child(node, (byte)':') >= 0)
                {
                    Walk(node, states.EndKey(parent, counter), mask);
                }
            }
        }
    }

    private void Mark(int node, Span<ulong> mask)
    {
        foreach (var token in trie.Tokens(node))
        {
            mask[token >> 6] |= 1UL << token;
        }
    }
}
