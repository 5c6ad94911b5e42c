using System.Runtime.InteropServices;

namespace Gateway.Engine.Grammars;

/// <summary>
/// The pushdown automaton of a grammar, made as far as it is visited. A state is a set of positions; each position knows the
/// state to go on with when its rule is over, so the stack is shared between states and a state is one number. Equal states have
/// equal numbers: positions that differ only in what follows are merged by uniting what follows, which keeps ambiguous grammars
/// small. Not thread-safe; see <see cref="GrammarAutomaton"/>.
/// </summary>
internal sealed class GrammarStates
{
    /// <summary>No continuation.</summary>
    public const int Dead = -1;

    /// <summary>Everything is over.</summary>
    public const int Ended = 0;

    /// <summary>Objects and arrays inside each other; what JSON readers take by default.</summary>
    public const int MaximumNesting = 64;

    private readonly Rule[] _rules;
    private readonly Dictionary<int, HashSet<int>> _names = [];
    private readonly List<Position> _positions = [];
    private readonly List<State> _states = [];
    private readonly List<Position> _scratch = [];
    private int[] _buckets = new int[64];
    private bool _canEnd;

    public GrammarStates(Rule[] rules, int root)
    {
        _rules = rules;
        Array.Fill(_buckets, -1);
        foreach (var (index, rule) in rules.Index())
        {
            if (rule is ObjectRule container)
            {
                _names[index] = [.. container.Names.Select(Text)];
            }
        }

        _canEnd = true;
        Intern(0);
        _canEnd = false;
        Enter(root, Ended);
        Start = Intern(0);
    }

    /// <summary>Nothing written yet.</summary>
    public int Start { get; }

    /// <summary>Number of states made so far.</summary>
    public int Count => _states.Count;

    /// <summary>Keys of objects with additional members.</summary>
    public KeyTable Keys { get; } = new();

    /// <summary>Whether the text so far is whole.</summary>
    public bool CanEnd(int state) => _states[state].CanEnd;

    /// <summary>Number of positions in a state.</summary>
    public int Positions(int state) => _states[state].Count;

    /// <summary>A position of a state.</summary>
    public Position this[int state, int index] => _positions[_states[state].First + index];

    /// <summary>The rule of a position.</summary>
    public Rule RuleOf(in Position position) => _rules[position.Rule];

    /// <summary>The names that an object declares, as texts of <see cref="Keys"/>.</summary>
    public HashSet<int> Names(int rule) => _names[rule];

    /// <summary>The state behind one byte, or <see cref="Dead"/>.</summary>
    public int Step(int state, byte value)
    {
        if (_states[state].Count == 1 && this[state, 0] is var only && _rules[only.Rule] is OpeningsRule { IsText: true } text && text.Next(only.State, value) == only.State)
        {
            // Most of free text leads nowhere.
            return state;
        }

        var (mark, canEnd) = Begin();
        for (var i = 0; i < _states[state].Count; i++)
        {
            Step(this[state, i], value);
        }

        return Finish(mark, canEnd);
    }

    /// <summary>The state behind a token, or <see cref="Dead"/>. Where a rule names the token, it is that token and not its text.</summary>
    public int Step(int state, int token, ReadOnlySpan<byte> bytes)
    {
        var (mark, canEnd) = Begin();
        for (var i = 0; i < _states[state].Count; i++)
        {
            StepToken(this[state, i], token);
        }

        if (_scratch.Count == mark && !_canEnd && bytes.IsEmpty)
        {
            // A token without text changes nothing in free text, and is none of anything else.
            for (var i = 0; i < _states[state].Count; i++)
            {
                var at = this[state, i];
                if (_rules[at.Rule] is OpeningsRule { IsText: true } openings)
                {
                    Stay(openings, at);
                }
            }
        }

        var next = Finish(mark, canEnd);
        if (next != Dead || bytes.IsEmpty)
        {
            return next;
        }

        foreach (var value in bytes)
        {
            if ((state = Step(state, value)) == Dead)
            {
                break;
            }
        }

        return state;
    }

    /// <summary>The state behind one byte from a single position, or <see cref="Dead"/>.</summary>
    public int StepFrom(in Position position, byte value)
    {
        var (mark, canEnd) = Begin();
        Step(position, value);
        return Finish(mark, canEnd);
    }

    /// <summary>Whether a byte may follow at a single position; without making the state behind it.</summary>
    public bool CanStep(in Position at, byte value)
    {
        switch (_rules[at.Rule])
        {
            case TerminalRule terminal:
                return CanStep(terminal, at, value);
            case ObjectRule container:
                var depth = Inside(at.Return);
                foreach (var edge in container[at.State].Edges)
                {
                    if (edge.Value == value && depth + edge.Depth <= MaximumNesting)
                    {
                        return true;
                    }
                }

                return false;
            case ArrayRule array:
                return CanStep(array, at, value);
            case OpeningsRule openings:
                return openings.Next(at.State, value) != ByteDfa.Dead;
            default:
                return false;
        }
    }

    /// <summary>Whether some token may follow at a position for what it is and not for its text.</summary>
    public bool TakesTokens(in Position at) => _rules[at.Rule] is TokenRule || (_rules[at.Rule] is OpeningsRule openings && openings.TakesTokens(at.State));

    /// <summary>The state behind a key that ended in front of <paramref name="parent"/>; <see cref="Dead"/> when the key is taken.</summary>
    public int EndKey(in Position parent, int text)
    {
        if (IsTaken(parent, text))
        {
            return Dead;
        }

        var (mark, canEnd) = Begin();
        _scratch.Add(parent with { Counter = Keys.Add(parent.Counter, text) });
        return Finish(mark, canEnd);
    }

    /// <summary>Whether the object at <paramref name="parent"/> declares or holds a key.</summary>
    public bool IsTaken(in Position parent, int text) => _names[parent.Rule].Contains(text) || Keys.Contains(parent.Counter, text);

    /// <summary>The counter of a terminal behind a transition, or −1 when it may not be taken.</summary>
    public int CounterBehind(TerminalRule rule, in Position position, byte value, int transition)
    {
        if (!rule.IsKey)
        {
            return rule.Count(position.Counter, transition);
        }

        // A key's counter is its text, both quotes left out.
        return position.State == 0 ? KeyTable.Empty
            : rule.Dfa.Accepts(ByteDfa.Target(transition)) ? position.Counter
            : Keys.Append(position.Counter, value);
    }

    private int Text(byte[] spelling)
    {
        var text = KeyTable.Empty;
        foreach (var value in spelling)
        {
            text = Keys.Append(text, value);
        }

        return text;
    }

    private void Step(in Position at, byte value)
    {
        switch (_rules[at.Rule])
        {
            case TerminalRule terminal:
                StepTerminal(terminal, at, value);
                break;
            case ObjectRule container:
                var depth = Inside(at.Return);
                foreach (var edge in container[at.State].Edges)
                {
                    if (edge.Value == value && depth + edge.Depth <= MaximumNesting)
                    {
                        Reach(at, edge.Target, at.Counter);
                    }
                }

                break;
            case ArrayRule array:
                StepArray(array, at, value);
                break;
            case OpeningsRule openings:
                StepOpenings(openings, at, value);
                break;
        }
    }

    private void StepToken(in Position at, int token)
    {
        if (_rules[at.Rule] is TokenRule named && named.Token == token)
        {
            Leave(at.Return);
        }
        else if (_rules[at.Rule] is OpeningsRule openings && openings.PartOf(at.State, token) is var part and >= 0)
        {
            Open(openings, at, part);
        }
    }

    private void StepOpenings(OpeningsRule rule, in Position at, byte value)
    {
        var next = rule.Next(at.State, value);
        if (next == ByteDfa.Dead)
        {
            return;
        }

        if (rule.PartAt(next) is var part and >= 0)
        {
            Open(rule, at, part);
        }
        else
        {
            Stay(rule, at with { State = next });
        }
    }

    /// <summary>Adds the beginning of an opened part, behind which others may be opened.</summary>
    private void Open(OpeningsRule rule, in Position at, int part)
    {
        var (mark, canEnd) = Begin();
        if (rule.Count(at.Counter) is var count and >= 0)
        {
            _scratch.Add(at with { State = 0, Counter = count });
        }

        Leave(at.Return);
        Enter(part, Finish(mark, canEnd));
    }

    /// <summary>Adds a position between parts: what follows them may begin here, but not within an opening that is no text.</summary>
    private void Stay(OpeningsRule rule, in Position at)
    {
        _scratch.Add(at);
        if (rule.IsText || at.State == 0)
        {
            Leave(at.Return);
        }
    }

    private void StepTerminal(TerminalRule rule, in Position at, byte value)
    {
        var transition = rule.Dfa.Next(at.State, value);
        var counter = transition == ByteDfa.Dead ? -1 : CounterBehind(rule, at, value, transition);
        if (counter < 0)
        {
            return;
        }

        var target = ByteDfa.Target(transition);
        if (rule.Dfa.Continues(target))
        {
            _scratch.Add(at with { State = target, Counter = counter });
        }

        if (!rule.Dfa.Accepts(target))
        {
            return;
        }

        if (!rule.IsKey)
        {
            if (counter >= rule.Minimum)
            {
                Leave(at.Return);
            }

            return;
        }

        for (var i = 0; i < _states[at.Return].Count; i++)
        {
            var parent = this[at.Return, i];
            if (!IsTaken(parent, counter))
            {
                _scratch.Add(parent with { Counter = Keys.Add(parent.Counter, counter) });
            }
        }
    }

    private bool CanStep(TerminalRule rule, in Position at, byte value)
    {
        var transition = rule.Dfa.Next(at.State, value);
        if (transition == ByteDfa.Dead)
        {
            return false;
        }

        if (!rule.IsKey)
        {
            return rule.Count(at.Counter, transition) is var count and >= 0 && (count >= rule.Minimum || rule.Dfa.Continues(ByteDfa.Target(transition)));
        }

        if (rule.Dfa.Continues(ByteDfa.Target(transition)))
        {
            return true;
        }

        for (var i = 0; i < _states[at.Return].Count; i++)
        {
            if (!IsTaken(this[at.Return, i], at.Counter))
            {
                return true;
            }
        }

        return false;
    }

    private bool CanStep(ArrayRule array, in Position at, byte value) => (at.State, value) switch
    {
        (ArrayRule.Start, (byte)'[') or (ArrayRule.Separated, (byte)' ') => true,
        (ArrayRule.Opened, (byte)']') => array.Minimum == 0,
        (ArrayRule.Behind, (byte)']') => at.Counter >= array.Minimum,
        (ArrayRule.Behind, (byte)',') => at.Counter < array.Maximum
            && Inside(at.Return) + _rules[array.Item(at.Counter)].MinimumDepth <= MaximumNesting,
        _ => false,
    };

    private void StepArray(ArrayRule array, in Position at, byte value)
    {
        if (!CanStep(array, at, value))
        {
            return;
        }

        switch (value)
        {
            case (byte)'[':
                Reach(at, ArrayRule.Opened, 0);
                break;
            case (byte)']':
                Leave(at.Return);
                break;
            case (byte)',':
                Reach(at, ArrayRule.Separated, at.Counter);
                break;
            default:
                Reach(at, ArrayRule.Spaced, at.Counter);
                break;
        }
    }

    /// <summary>Adds a position and those it leads to without a byte.</summary>
    private void Reach(in Position previous, int state, int counter)
    {
        if (state == Rule.End)
        {
            Leave(previous.Return);
            return;
        }

        var at = previous with { State = state, Counter = counter };
        if (_rules[at.Rule] is ObjectRule container)
        {
            var node = container[state];
            if (node.Edges.Count > 0)
            {
                _scratch.Add(at);
            }

            if (node.Call >= 0 && Inside(at.Return) + node.CallDepth <= MaximumNesting)
            {
                Enter(node.Call, Continuation(at with { State = node.Next }));
            }
        }
        else if (_rules[at.Rule] is ArrayRule array)
        {
            _scratch.Add(at);
            if (state is ArrayRule.Opened or ArrayRule.Separated or ArrayRule.Spaced && counter < array.Maximum)
            {
                Enter(array.Item(counter), Continuation(at with { State = ArrayRule.Behind, Counter = array.Count(counter) }));
            }
        }
    }

    /// <summary>Adds the beginning of a rule, which goes on with <paramref name="continuation"/>; left out when too deep.</summary>
    private void Enter(int rule, int continuation)
    {
        if (_states[continuation].Depth + _rules[rule].MinimumDepth > MaximumNesting)
        {
            return;
        }

        if (_rules[rule] is ChoiceRule choice)
        {
            foreach (var alternative in choice.Alternatives)
            {
                Enter(alternative, continuation);
            }

            return;
        }

        if (_rules[rule] is SequenceRule sequence)
        {
            for (var part = sequence.Parts.Length - 1; part > 0; part--)
            {
                var (mark, canEnd) = Begin();
                Enter(sequence.Parts[part], continuation);
                continuation = Finish(mark, canEnd);
                if (continuation == Dead)
                {
                    // Too deep here.
                    return;
                }
            }

            Enter(sequence.Parts[0], continuation);
            return;
        }

        _scratch.Add(new Position(rule, 0, 0, continuation));
        if (_rules[rule] is OpeningsRule || (_rules[rule] is TerminalRule terminal && terminal.Dfa.Accepts(0)))
        {
            // May be empty.
            Leave(continuation);
        }
    }

    /// <summary>The end of a rule: what follows it goes on.</summary>
    private void Leave(int continuation)
    {
        _canEnd |= _states[continuation].CanEnd;
        for (var i = 0; i < _states[continuation].Count; i++)
        {
            _scratch.Add(this[continuation, i]);
        }
    }

    private int Continuation(in Position position)
    {
        var (mark, canEnd) = Begin();
        _scratch.Add(position);
        return Finish(mark, canEnd);
    }

    /// <summary>Containers open inside the container whose continuation is given.</summary>
    private int Inside(int continuation) => _states[continuation].Depth + 1;

    private (int Mark, bool CanEnd) Begin()
    {
        var canEnd = _canEnd;
        _canEnd = false;
        return (_scratch.Count, canEnd);
    }

    private int Finish(int mark, bool canEnd)
    {
        var state = _scratch.Count == mark && !_canEnd ? Dead : Intern(mark);
        _canEnd = canEnd;
        return state;
    }

    /// <summary>The number of the state whose positions are the scratch behind <paramref name="mark"/>, which are taken off.</summary>
    private int Intern(int mark)
    {
        var count = Unite(mark);
        var positions = CollectionsMarshal.AsSpan(_scratch).Slice(mark, count);
        var hash = new HashCode();
        hash.Add(_canEnd);
        foreach (ref readonly var position in positions)
        {
            hash.Add(position);
        }

        var code = hash.ToHashCode();
        var found = Dead;
        for (var state = _buckets[code & (_buckets.Length - 1)]; state >= 0 && found < 0; state = _states[state].NextInBucket)
        {
            if (_states[state].Hash == code && _states[state].CanEnd == _canEnd
                && CollectionsMarshal.AsSpan(_positions).Slice(_states[state].First, _states[state].Count).SequenceEqual(positions))
            {
                found = state;
            }
        }

        if (found < 0)
        {
            found = Add(positions, code);
        }

        _scratch.RemoveRange(mark, _scratch.Count - mark);
        return found;
    }

    private int Add(ReadOnlySpan<Position> positions, int code)
    {
        // The bytes written say how many containers are open, so all positions agree.
        var depth = 0;
        if (positions.Length > 0)
        {
            var inside = _rules[positions[0].Rule] is ObjectRule or ArrayRule && positions[0].State > 0 ? 1 : 0;
            depth = _states[positions[0].Return].Depth + inside;
        }

        if (_states.Count == _buckets.Length)
        {
            Rehash();
        }

        ref var bucket = ref _buckets[code & (_buckets.Length - 1)];
        _states.Add(new State(_positions.Count, positions.Length, _canEnd, depth, code, bucket));
        bucket = _states.Count - 1;
        _positions.AddRange(positions);
        return bucket;
    }

    private void Rehash()
    {
        _buckets = new int[_buckets.Length * 2];
        Array.Fill(_buckets, -1);
        for (var state = 0; state < _states.Count; state++)
        {
            ref var bucket = ref _buckets[_states[state].Hash & (_buckets.Length - 1)];
            _states[state] = _states[state] with { NextInBucket = bucket };
            bucket = state;
        }
    }

    /// <summary>Sorts the scratch behind <paramref name="mark"/> and merges positions that differ only in what follows.</summary>
    private int Unite(int mark)
    {
        if (_scratch.Count - mark > 1)
        {
            CollectionsMarshal.AsSpan(_scratch)[mark..].Sort();
        }

        var count = 0;
        for (var i = mark; i < _scratch.Count; i++)
        {
            var position = _scratch[i];
            if (count > 0 && _scratch[mark + count - 1] is var last && position with { Return = last.Return } == last)
            {
                if (position.Return != last.Return)
                {
                    _scratch[mark + count - 1] = last with { Return = Union(last.Return, position.Return) };
                }

                continue;
            }

            _scratch[mark + count++] = position;
        }

        return count;
    }

    private int Union(int left, int right)
    {
        var (mark, canEnd) = Begin();
        Leave(left);
        Leave(right);
        return Finish(mark, canEnd);
    }

    /// <summary>A place inside a rule.</summary>
    /// <param name="Rule">Index of the rule.</param>
    /// <param name="State">The rule's own state; 0 is its beginning.</param>
    /// <param name="Counter">Characters of a terminal, text of a key, items of an array, chain of additional keys of an object.</param>
    /// <param name="Return">The state to go on with when the rule is over.</param>
    internal readonly record struct Position(int Rule, int State, int Counter, int Return) : IComparable<Position>
    {
        public int CompareTo(Position other) =>
            Rule != other.Rule ? Rule.CompareTo(other.Rule)
            : State != other.State ? State.CompareTo(other.State)
            : Counter != other.Counter ? Counter.CompareTo(other.Counter)
            : Return.CompareTo(other.Return);
    }

    private readonly record struct State(int First, int Count, bool CanEnd, int Depth, int Hash, int NextInBucket);
}
