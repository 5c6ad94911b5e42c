using Gateway.Model.Network;

namespace Gateway.Training.Pretraining;

/// <summary>One stream of the mixture: tokenised documents and the share of all tokens it should have.</summary>
public sealed record TokenStream(string Name, double Share, IReadOnlyList<int[]> Documents);

/// <summary>Where a stream stands: pass over the data, document in the shuffled order, token in the document.</summary>
public readonly record struct StreamCursor(int Epoch, int Document, int Token);

/// <summary>
/// Interleaves token streams at fixed shares and cuts batches from them, deterministically: the next piece always comes from
/// the stream that is furthest behind its share, and each pass over a stream has its own seeded order. The state is the
/// cursors and the emitted counts, so a resumed run continues with the batch an uninterrupted one would have had.
/// </summary>
public sealed class TokenMixture
{
    private readonly IReadOnlyList<TokenStream> _streams;
    private readonly int _seed;
    private readonly int[][] _order;
    private readonly StreamCursor[] _cursors;
    private readonly long[] _emitted;

    /// <summary>A mixture at its beginning. Streams without documents are not allowed.</summary>
    public TokenMixture(IReadOnlyList<TokenStream> streams, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfZero(streams.Count);
        foreach (var stream in streams)
        {
            ArgumentOutOfRangeException.ThrowIfZero(stream.Documents.Count, stream.Name);
        }

        _streams = streams;
        _seed = seed;
        _cursors = new StreamCursor[streams.Count];
        _emitted = new long[streams.Count];
        _order = new int[streams.Count][];
        for (var i = 0; i < streams.Count; i++)
        {
            _order[i] = Shuffle(i, 0);
        }
    }

    /// <summary>Tokens taken from each stream so far, in the order of the streams.</summary>
    public IReadOnlyList<long> Emitted => _emitted;

    /// <summary>
    /// The next <paramref name="tokens"/> tokens as documents of at most <paramref name="longest"/> tokens. Every token that
    /// has a successor in its document is a target, also across the cut of a long document.
    /// </summary>
    public TrainingBatch Next(int tokens, int longest)
    {
        var ids = new int[tokens];
        var labels = new int[tokens];
        var starts = new List<int>();
        var filled = 0;
        while (filled < tokens)
        {
            var stream = FurthestBehind();
            var document = CurrentDocument(stream);
            var cursor = _cursors[stream];
            var count = Math.Min(Math.Min(longest, document.Length - cursor.Token), tokens - filled);
            starts.Add(filled);
            for (var i = 0; i < count; i++)
            {
                var next = cursor.Token + i + 1;
                ids[filled + i] = document[cursor.Token + i];
                labels[filled + i] = next < document.Length ? document[next] : -100;
            }

            filled += count;
            _emitted[stream] += count;
            Advance(stream, count, document.Length);
        }

        starts.Add(tokens);
        return new TrainingBatch(ids, labels, [.. starts]);
    }

    /// <summary>Writes the state.</summary>
    public void Save(BinaryWriter writer)
    {
        for (var i = 0; i < _streams.Count; i++)
        {
            writer.Write(_cursors[i].Epoch);
            writer.Write(_cursors[i].Document);
            writer.Write(_cursors[i].Token);
            writer.Write(_emitted[i]);
        }
    }

    /// <summary>Reads what <see cref="Save"/> wrote for the same streams and seed.</summary>
    public void Load(BinaryReader reader)
    {
        for (var i = 0; i < _streams.Count; i++)
        {
            _cursors[i] = new StreamCursor(reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32());
            _emitted[i] = reader.ReadInt64();
            _order[i] = Shuffle(i, _cursors[i].Epoch);
        }
    }

    private int FurthestBehind()
    {
        var total = 1L;
        foreach (var count in _emitted)
        {
            total += count;
        }

        var best = 0;
        var largest = double.NegativeInfinity;
        for (var i = 0; i < _streams.Count; i++)
        {
            var deficit = (_streams[i].Share * total) - _emitted[i];
            if (deficit > largest)
            {
                (best, largest) = (i, deficit);
            }
        }

        return best;
    }

    private int[] CurrentDocument(int stream) => _streams[stream].Documents[_order[stream][_cursors[stream].Document]];

    private void Advance(int stream, int count, int length)
    {
        var cursor = _cursors[stream];
        cursor = cursor with { Token = cursor.Token + count };
        if (cursor.Token >= length)
        {
            cursor = new StreamCursor(cursor.Epoch, cursor.Document + 1, 0);
            if (cursor.Document == _order[stream].Length)
            {
                cursor = new StreamCursor(cursor.Epoch + 1, 0, 0);
                _order[stream] = Shuffle(stream, cursor.Epoch);
            }
        }

        _cursors[stream] = cursor;
    }

    private int[] Shuffle(int stream, int epoch)
    {
        var order = new int[_streams[stream].Documents.Count];
        for (var i = 0; i < order.Length; i++)
        {
            order[i] = i;
        }

        // Random with a seed is a fixed algorithm in .NET: the order is part of the recipe.
        new Random(HashSeed(_seed, stream, epoch)).Shuffle(order);
        return order;
    }

    private static int HashSeed(int seed, int stream, int epoch) => unchecked((((seed * 31) + stream) * 7919) + epoch);
}
