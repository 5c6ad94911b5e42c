using Gateway.Model.Network;

namespace Gateway.Engine;

/// <summary>The slices of one step and the sequences they belong to; reused from step to step.</summary>
internal sealed class Batch(int capacity)
{
    private readonly SequenceSlice[] _slices = new SequenceSlice[capacity];
    private readonly Sequence[] _sequences = new Sequence[capacity];

    /// <summary>Number of slices.</summary>
    public int Count { get; private set; }

    /// <summary>What the network processes.</summary>
    public ReadOnlySpan<SequenceSlice> Slices => _slices.AsSpan(0, Count);

    /// <summary>The owner of each slice.</summary>
    public ReadOnlySpan<Sequence> Sequences => _sequences.AsSpan(0, Count);

    /// <summary>Adds the next tokens of a sequence, whose blocks are reserved; logits are asked for when none stays pending.</summary>
    public void Add(Sequence sequence, int tokens)
    {
        var (ids, start) = sequence.Next(tokens);
        _sequences[Count] = sequence;
        _slices[Count++] = new SequenceSlice(
            ids, start, sequence.Blocks, sequence.Adapter?.Weights, sequence.ReachesEnd(tokens) ? LogitRows.Last : LogitRows.None);
    }

    /// <summary>Forgets the slices, so that nothing keeps a finished sequence or a retired adapter reachable.</summary>
    public void Clear()
    {
        _slices.AsSpan(0, Count).Clear();
        _sequences.AsSpan(0, Count).Clear();
        Count = 0;
    }
}
