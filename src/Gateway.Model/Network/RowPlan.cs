using System.Runtime.InteropServices;
using Gateway.Model.Lora;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>Consecutive rows that share an adapter.</summary>
internal readonly record struct AdapterSegment(LoraWeights Adapter, int FirstRow, int Rows);

/// <summary>
/// The rows of one forward pass: token, position and adapter of each, with rows of one adapter side by side. Reused from
/// step to step.
/// </summary>
internal sealed unsafe class RowPlan(ModelConfig config)
{
    private readonly PinnedBuffer<int> _tokens = new();
    private readonly PinnedBuffer<int> _positions = new();
    private readonly PinnedBuffer<int> _blocks = new();
    private readonly PinnedBuffer<int> _firstRows = new();
    private readonly PinnedBuffer<int> _logitRows = new();
    private readonly PinnedBuffer<PagedRow> _pagedRows = new();
    private readonly PinnedBuffer<ProductTerm> _terms = new();
    private readonly List<PagedTile> _tiles = [];
    private readonly List<AdapterSegment> _segments = [];

    /// <summary>Number of rows.</summary>
    public int Rows { get; private set; }

    /// <summary>Token id per row.</summary>
    public int* Tokens => _tokens.Data;

    /// <summary>Position per row.</summary>
    public int* Positions => _positions.Data;

    /// <summary>Where each row's sequence lies in the cache; empty for training rows.</summary>
    public ReadOnlySpan<PagedRow> PagedRows => _pagedRows.Span(Rows);

    /// <summary>Rows whose logits are wanted, in the order of the slices.</summary>
    public ReadOnlySpan<int> LogitRows => _logitRows.Span(LogitRowCount);

    /// <summary>The first row of a serving slice.</summary>
    public int FirstRow(int slice) => _firstRows.Data[slice];

    /// <summary>Number of rows whose logits are wanted.</summary>
    public int LogitRowCount { get; private set; }

    /// <summary>The adapters and their rows; rows of the base model belong to none.</summary>
    public List<AdapterSegment> Segments => _segments;

    /// <summary>The adapter in training, for all rows, or null.</summary>
    public LoraPairs? Trained { get; private set; }

    /// <summary>Largest rank of the adapter in training; 0 without one.</summary>
    public int TrainedRank { get; private set; }

    /// <summary>Largest stacked rank of the adapters of the segments; 0 without adapters.</summary>
    public int StackedRank { get; private set; }

    /// <summary>Rows in tiles that attend together; empty for training rows.</summary>
    public ReadOnlySpan<PagedTile> Tiles => CollectionsMarshal.AsSpan(_tiles);

    /// <summary>True when every sequence's new rows are one tile: none of them reads what another tile writes.</summary>
    public bool TilesAreWhole { get; private set; }

    /// <summary>Room for the products of one job.</summary>
    public List<Product> Products { get; } = new(16);

    /// <summary>Room for the inner products of one job.</summary>
    public List<InnerProduct> InnerProducts { get; } = new(16);

    /// <summary>Room for the terms of one job: of every adapter for each of some projections.</summary>
    public ProductTerm* ReserveTerms(int projections)
    {
        _terms.Reserve((_segments.Count + 1) * projections);
        return _terms.Data;
    }

    /// <summary>Arranges serving slices: checks them, groups them by adapter and lays out their rows.</summary>
    /// <exception cref="ArgumentException">A token, position or block is out of range.</exception>
    public void Arrange(ReadOnlySpan<SequenceSlice> slices, KvCache cache)
    {
        var blocks = Measure(slices, cache);
        _firstRows.Reserve(slices.Length);
        var firstRows = _firstRows.Span(slices.Length);
        firstRows.Fill(-1);
        var block = _blocks.Data;
        var row = 0;
        for (var first = 0; first < slices.Length; first++)
        {
            if (firstRows[first] >= 0)
            {
                continue;
            }

            var adapter = slices[first].Adapter;
            var start = row;
            for (var i = first; i < slices.Length; i++)
            {
                if (ReferenceEquals(slices[i].Adapter, adapter))
                {
                    firstRows[i] = row;
                    slices[i].Blocks.Span.CopyTo(new Span<int>(block, blocks));
                    row = AddRows(slices[i], block, row);
                    block += slices[i].Blocks.Length;
                    blocks -= slices[i].Blocks.Length;
                }
            }

            if (adapter is not null)
            {
                AddSegment(adapter, start, row - start);
            }
        }

        TilesAreWhole = _tiles.Count == slices.Length;
        CollectLogitRows(slices, firstRows);
    }

    /// <summary>Arranges a batch of documents, with an adapter in training for all rows or none.</summary>
    public void Arrange(TrainingBatch batch, LoraPairs? trained)
    {
        Arrange(batch);
        Trained = trained;
        TrainedRank = trained?.Rank ?? 0;
    }

    /// <summary>Arranges a batch of documents, with a finished adapter for all rows or none.</summary>
    public void Arrange(TrainingBatch batch, LoraWeights? adapter)
    {
        Arrange(batch);
        if (adapter is not null)
        {
            AddSegment(adapter, 0, Rows);
        }
    }

    private void Arrange(TrainingBatch batch)
    {
        Reset(batch.Tokens.Length);
        batch.Tokens.CopyTo(_tokens.Span(Rows));
        var positions = _positions.Span(Rows);
        for (var document = 0; document + 1 < batch.DocumentStarts.Length; document++)
        {
            for (var row = batch.DocumentStarts[document]; row < batch.DocumentStarts[document + 1]; row++)
            {
                positions[row] = row - batch.DocumentStarts[document];
            }
        }
    }

    private void AddSegment(LoraWeights adapter, int firstRow, int rows)
    {
        _segments.Add(new AdapterSegment(adapter, firstRow, rows));
        StackedRank = Math.Max(StackedRank, adapter.StackedRank);
    }

    private void Reset(int rows)
    {
        Rows = rows;
        LogitRowCount = 0;
        (Trained, TrainedRank, StackedRank) = (null, 0, 0);
        _segments.Clear();
        _tiles.Clear();
        _tokens.Reserve(rows);
        _positions.Reserve(rows);
    }

    /// <summary>Checks every slice and makes room; returns the number of block references.</summary>
    private int Measure(ReadOnlySpan<SequenceSlice> slices, KvCache cache)
    {
        var rows = 0;
        var blocks = 0;
        var logitRows = 0;
        foreach (ref readonly var slice in slices)
        {
            var end = slice.StartPosition + slice.Tokens.Length;
            if (slice.Tokens.IsEmpty || slice.StartPosition < 0 || end > config.ContextLength)
            {
                throw new ArgumentException($"a slice covers positions {slice.StartPosition} to {end}; it needs at least one token and the context holds {config.ContextLength}.", nameof(slices));
            }

            if ((long)slice.Blocks.Length * KvCache.BlockTokens < end)
            {
                throw new ArgumentException($"a slice ends at position {end} but names {slice.Blocks.Length} blocks of {KvCache.BlockTokens}; allocate more blocks first.", nameof(slices));
            }

            foreach (var block in slice.Blocks.Span)
            {
                if ((uint)block >= (uint)cache.Blocks)
                {
                    throw new ArgumentException($"block {block} is outside the cache of {cache.Blocks} blocks.", nameof(slices));
                }
            }

            RequireTokens(slice.Tokens.Span, config);
            rows += slice.Tokens.Length;
            blocks += slice.Blocks.Length;
            logitRows += slice.LogitRowCount;
        }

        Reset(rows);
        _blocks.Reserve(blocks);
        _pagedRows.Reserve(rows);
        _logitRows.Reserve(rows);
        LogitRowCount = logitRows;
        return blocks;
    }

    /// <summary>Throws when a token id is outside the vocabulary.</summary>
    /// <exception cref="ArgumentException">A token is out of range.</exception>
    internal static void RequireTokens(ReadOnlySpan<int> tokens, ModelConfig config)
    {
        foreach (var token in tokens)
        {
            if ((uint)token >= (uint)config.VocabularySize)
            {
                throw new ArgumentException($"token {token} is outside the vocabulary of {config.VocabularySize}; use the tokenizer of this model.", nameof(tokens));
            }
        }
    }

    private int AddRows(in SequenceSlice slice, int* blocks, int row)
    {
        var count = slice.Tokens.Length;
        slice.Tokens.Span.CopyTo(new Span<int>(Tokens + row, count));
        for (var i = 0; i < count; i++)
        {
            Positions[row + i] = slice.StartPosition + i;
            _pagedRows.Data[row + i] = new PagedRow(blocks, slice.StartPosition + i);
        }

        for (var i = 0; i < count; i += PagedTile.MaximumRows)
        {
            _tiles.Add(new PagedTile(row + i, Math.Min(PagedTile.MaximumRows, count - i)));
        }

        return row + count;
    }

    private void CollectLogitRows(ReadOnlySpan<SequenceSlice> slices, ReadOnlySpan<int> firstRows)
    {
        var next = _logitRows.Data;
        for (var i = 0; i < slices.Length; i++)
        {
            var end = firstRows[i] + slices[i].Tokens.Length;
            for (var row = end - slices[i].LogitRowCount; row < end; row++)
            {
                *next++ = row;
            }
        }
    }
}
