namespace Gateway.Engine.Grammars;

/// <summary>
/// A deterministic automaton over bytes. A transition may be charged with the characters that begin with it, so that a length
/// limit is a counter beside the state instead of a copy of every state. Every state reaches an accepting one. Immutable.
/// </summary>
/// <remarks>A character is charged at its first byte: one that no longer fits must not even be begun.</remarks>
internal sealed class ByteDfa
{
    /// <summary>No transition.</summary>
    public const int Dead = -1;

    private const int ChargeShift = 28;
    private readonly byte[] _classOf;
    private readonly int _classes;
    private readonly int[] _next;
    private readonly bool[] _accepts;
    private readonly bool[] _continues;

    /// <param name="rows">Per state 256 packed transitions; state 0 is the start.</param>
    /// <param name="accepts">Per state whether the bytes so far are whole.</param>
    internal ByteDfa(IReadOnlyList<int[]> rows, bool[] accepts)
    {
        _accepts = accepts;
        (_classOf, var representatives) = Classify(rows);
        _classes = representatives.Count;
        _next = new int[rows.Count * _classes];
        _continues = new bool[rows.Count];
        for (var state = 0; state < rows.Count; state++)
        {
            for (var i = 0; i < _classes; i++)
            {
                _next[(state * _classes) + i] = rows[state][representatives[i]];
                _continues[state] |= rows[state][representatives[i]] != Dead;
            }
        }
    }

    /// <summary>Number of states.</summary>
    public int States => _accepts.Length;

    /// <summary>The packed transition of <paramref name="state"/> on a byte, or <see cref="Dead"/>.</summary>
    public int Next(int state, byte value) => _next[(state * _classes) + _classOf[value]];

    /// <summary>Whether the bytes so far are a whole word of the language.</summary>
    public bool Accepts(int state) => _accepts[state];

    /// <summary>Whether any byte may follow.</summary>
    public bool Continues(int state) => _continues[state];

    /// <summary>The state a packed transition leads to.</summary>
    public static int Target(int transition) => transition & ((1 << ChargeShift) - 1);

    /// <summary>How many characters a packed transition begins: 0, 1, or 2 where UTF-16 units are counted.</summary>
    public static int Charge(int transition) => transition >> ChargeShift;

    /// <summary>Packs a target with its charge.</summary>
    public static int Pack(int target, int charge) => target | (charge << ChargeShift);

    /// <summary>Bytes that no state tells apart share a column of the table; one byte of each column represents it.</summary>
    private static (byte[] ClassOf, List<int> Representatives) Classify(IReadOnlyList<int[]> rows)
    {
        var classOf = new byte[256];
        var representatives = new List<int>();
        var byHash = new Dictionary<ulong, List<int>>();
        for (var value = 0; value < 256; value++)
        {
            var hash = 14695981039346656037UL;
            foreach (var row in rows)
            {
                hash = (hash ^ (uint)row[value]) * 1099511628211UL;
            }

            if (!byHash.TryGetValue(hash, out var candidates))
            {
                byHash.Add(hash, candidates = []);
            }

            var column = value;
            var match = candidates.FindIndex(candidate => rows.All(row => row[representatives[candidate]] == row[column]));
            if (match < 0)
            {
                match = candidates.Count;
                candidates.Add(representatives.Count);
                representatives.Add(value);
            }

            classOf[value] = (byte)candidates[match];
        }

        return (classOf, representatives);
    }
}
