using Gateway.Engine.Sampling;
using Gateway.Model.Network;
using Gateway.Model.Numerics;

namespace Gateway.Engine;

/// <summary>The slices of one step, the sequences they belong to and their logits; reused from step to step.</summary>
internal sealed class Batch : IDisposable
{
    private readonly Compute _compute;
    private readonly SequenceSlice[] _slices;
    private readonly Sequence[] _sequences;
    private readonly int[] _firstRows;
    private readonly Matrix _logits;
    private readonly Sampler[] _samplers;
    private readonly Action<int> _draw;
    private int _rows;

    /// <summary>Reserves memory for a number of slices and of rows of logits.</summary>
    public Batch(Transformer model, int capacity, int rows)
    {
        _compute = model.Compute;
        _slices = new SequenceSlice[capacity];
        _sequences = new Sequence[capacity];
        _firstRows = new int[capacity];
        _logits = new Matrix(rows, model.Config.VocabularySize);
        _samplers = [.. Enumerable.Range(0, _compute.Threads).Select(_ => new Sampler(model.Config.VocabularySize))];
        _draw = Draw;
    }

    /// <summary>Number of slices.</summary>
    public int Count { get; private set; }

    /// <summary>What the network processes.</summary>
    public ReadOnlySpan<SequenceSlice> Slices => _slices.AsSpan(0, Count);

    /// <summary>The owner of each slice.</summary>
    public ReadOnlySpan<Sequence> Sequences => _sequences.AsSpan(0, Count);

    /// <summary>What the network writes.</summary>
    public Span<float> Logits => _logits.Span;

    /// <summary>Adds the next tokens of a sequence, whose blocks are reserved; logits are asked for when none stays pending.</summary>
    public void Add(Sequence sequence, int tokens)
    {
        var (ids, start) = sequence.Next(tokens);
        var slice = new SequenceSlice(
            ids, start, sequence.Blocks, sequence.Adapter?.Weights, sequence.ReachesEnd(tokens) ? LogitRows.Last : LogitRows.None);
        _firstRows[Count] = _rows;
        _sequences[Count] = sequence;
        _slices[Count++] = slice;
        _rows += slice.LogitRowCount;
    }

    /// <summary>Draws the next token of every slice that has logits, spread over the team; each sequence notes its own.</summary>
    public void DrawTokens() => _compute.Run(Math.Min(_samplers.Length, _rows), _draw);

    /// <summary>Forgets the slices, so that nothing keeps a finished sequence or a retired adapter reachable.</summary>
    public void Clear()
    {
        _slices.AsSpan(0, Count).Clear();
        _sequences.AsSpan(0, Count).Clear();
        Count = 0;
        _rows = 0;
    }

    /// <inheritdoc/>
    public void Dispose() => _logits.Dispose();

    /// <summary>Every n-th slice, so that each chunk owns a sampler.</summary>
    private void Draw(int chunk)
    {
        var chunks = Math.Min(_samplers.Length, _rows);
        for (var i = 0; i < Count; i++)
        {
            if (_slices[i].Logits == LogitRows.Last && _firstRows[i] % chunks == chunk)
            {
                _sequences[i].Draw(_samplers[chunk], _logits.Row(_firstRows[i]));
            }
        }
    }
}
