namespace Gateway.Model.Text.Tokenizing;

/// <summary>
/// The merge loop of byte pair encoding: joins the adjacent pair of lowest rank, leftmost on ties, until none is left.
/// A linked list of symbols and a heap of candidate pairs make it O(n log n). One per thread, reused.
/// </summary>
internal sealed class MergeLoop
{
    [ThreadStatic]
    private static MergeLoop? s_forThread;

    // The priority holds rank and position; a candidate is stale when the pair at that position has another rank now.
    private readonly PriorityQueue<int, ulong> _candidates = new();
    private int[] _ids = new int[64];
    private int[] _starts = new int[64];
    private int[] _next = new int[64];
    private int[] _previous = new int[64];
    private int _count;

    public static MergeLoop ForThread
    {
        get
        {
            var loop = s_forThread ??= new MergeLoop();
            loop._count = 0;
            return loop;
        }
    }

    /// <summary>The id of the symbol added last, or -1.</summary>
    public int LastId => _count == 0 ? -1 : _ids[_count - 1];

    /// <summary>Appends a symbol that begins at a byte of the piece.</summary>
    public void Add(int id, int start)
    {
        if (_count == _ids.Length)
        {
            Array.Resize(ref _ids, _count * 2);
            Array.Resize(ref _starts, _count * 2);
            Array.Resize(ref _next, _count * 2);
            Array.Resize(ref _previous, _count * 2);
        }

        (_ids[_count], _starts[_count], _previous[_count]) = (id, start, _count - 1);
        _next[_count++] = _count;
    }

    /// <summary>Merges the added symbols and returns what remains.</summary>
    public EncodedPiece Run(MergeTable merges)
    {
        for (var at = 0; at + 1 < _count; at++)
            Offer(merges, at);

        var symbols = _count;
        while (_candidates.TryDequeue(out var at, out var priority))
        {
            var right = _next[at];
            if (_ids[at] < 0 || right >= _count
                || !merges.TryGet(_ids[at], _ids[right], out var rank, out var id) || (ulong)rank != priority >> 32)
                continue;
            _ids[at] = id;
            _ids[right] = -1;
            _next[at] = _next[right];
            if (_next[at] < _count)
                _previous[_next[at]] = at;
            symbols--;
            Offer(merges, at);
            if (_previous[at] >= 0)
                Offer(merges, _previous[at]);
        }

        var (ids, starts) = (new int[symbols], new int[symbols]);
        for (int at = 0, i = 0; i < symbols; at = _next[at], i++)
            (ids[i], starts[i]) = (_ids[at], _starts[at]);
        return new EncodedPiece(ids, starts);
    }

    private void Offer(MergeTable merges, int at)
    {
        var right = _next[at];
        if (right < _count && merges.TryGet(_ids[at], _ids[right], out var rank, out _))
            _candidates.Enqueue(at, ((ulong)(uint)rank << 32) | (uint)at);
    }
}

/// <summary>The tokens of one piece and the byte of the piece's UTF-8 form at which each begins.</summary>
internal sealed record EncodedPiece(int[] Ids, int[] ByteStarts);
