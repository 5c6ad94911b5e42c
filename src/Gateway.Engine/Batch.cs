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
    private int _logitRows;

    /// <summary>Reserves memory for a number of slices and of rows of logits.</summary>
    public Batch(Transformer model, int capacity, int logitRows)
    {
        _compute = model.Compute;
        _slices = new SequenceSlice[capacity];
        _sequences = new Sequence[capacity];
        _firstRows = new int[capacity];
        _logits = new Matrix(logitRows, model.Config.VocabularySize);
        _samplers = [.. Enumerable.Range(0, _compute.Threads).Select(_ => new Sampler(model.Config.VocabularySize))];
        _draw = Draw;
    }

    /// <summary>Number of slices.</summary>
    public int Count { get; private set; }

    /// <summary>Rows of sequences that reply, proposed tokens included.</summary>
    public int ReplyRows { get; private set; }

    /// <summary>Rows of sequences that read their prompts.</summary>
    public int PromptRows { get; private set; }

    /// <summary>What the network processes.</summary>
    public ReadOnlySpan<SequenceSlice> Slices => _slices.AsSpan(0, Count);

    /// <summary>The owner of each slice.</summary>
    public ReadOnlySpan<Sequence> Sequences => _sequences.AsSpan(0, Count);

    /// <summary>What the network writes.</summary>
    public Span<float> Logits => _logits.Span;

    /// <summary>Adds the next tokens of a sequence, whose blocks are reserved.</summary>
    public void Add(Sequence sequence, int tokens, int proposed, bool readsPrompt)
    {
        if (readsPrompt)
        {
            PromptRows += tokens;
        }
        else
        {
            ReplyRows += tokens + proposed;
        }

        var slice = sequence.Slice(tokens, proposed);
        _firstRows[Count] = _logitRows;
        _sequences[Count] = sequence;
        _slices[Count++] = slice;
        _logitRows += slice.LogitRowCount;
    }

    /// <summary>Draws for every sequence that has logits, spread over the team.</summary>
    public void DrawTokens() => _compute.Run(Math.Min(_samplers.Length, _logitRows), _draw);

    /// <summary>Forgets the slices, so that nothing keeps a finished sequence or a retired adapter reachable.</summary>
    public void Clear()
    {
        _slices.AsSpan(0, Count).Clear();
        _sequences.AsSpan(0, Count).Clear();
        (Count, _logitRows, ReplyRows, PromptRows) = (0, 0, 0, 0);
    }

    /// <inheritdoc/>
    public void Dispose() => _logits.Dispose();

    /// <summary>Each chunk owns a sampler and takes every n-th sequence that has logits.</summary>
    private void Draw(int chunk)
    {
        var chunks = Math.Min(_samplers.Length, _logitRows);
        var turn = 0;
        for (var i = 0; i < Count; i++)
        {
            if (_slices[i].LogitRowCount > 0 && turn++ % chunks == chunk)
            {
                _sequences[i].Draw(_samplers[chunk], _logits, _firstRows[i], _slices[i].LogitRowCount);
            }
        }
    }
}
