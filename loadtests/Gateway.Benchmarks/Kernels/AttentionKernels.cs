using BenchmarkDotNet.Attributes;
using Gateway.Model.Numerics;

namespace Gateway.Benchmarks.Kernels;

/// <summary>Attention over a paged cache, 9 query heads on 3 key heads of 64: a decode batch of 8 sequences, and a prompt of 256 rows.</summary>
public unsafe class AttentionKernels
{
    private const int Heads = 9, KvHeads = 3, D = 64, Context = 256;

    private Compute _compute = null!;
    private Matrix _q = null!;
    private Matrix _o = null!;
    private Matrix _keys = null!;
    private Matrix _values = null!;
    private int[] _blocks = null!;
    private PagedRow[] _rows = null!;
    private PagedTile[] _tiles = null!;

    [Params(true, false)]
    public bool Bfloat16 { get; set; }

    [Params(8, 256)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _compute = new Compute(Environment.ProcessorCount);
        (_q, _o) = (Values.Random(Rows, Heads * D), new Matrix(Rows, Heads * D));
        (_keys, _values) = (Values.Random(Context, KvHeads * D), Values.Random(Context, KvHeads * D));
        _blocks = GC.AllocateArray<int>(Context / PagedRow.BlockTokens, pinned: true);
        for (int i = 0; i < _blocks.Length; i++)
        {
            _blocks[i] = i;
        }

        // Eight rows are eight sequences at the end of the context; 256 rows are one prompt.
        bool isPrompt = Rows == Context;
        fixed (int* blocks = _blocks)
        {
            _rows = new PagedRow[Rows];
            for (int row = 0; row < Rows; row++)
            {
                _rows[row] = new PagedRow(blocks, isPrompt ? row : Context - 1);
            }
        }

        int perTile = isPrompt ? PagedTile.MaximumRows : 1;
        _tiles = [.. Enumerable.Range(0, Rows / perTile).Select(tile => new PagedTile(tile * perTile, perTile))];
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _q.Dispose();
        _o.Dispose();
        _keys.Dispose();
        _values.Dispose();
        _compute.Dispose();
    }

    [Benchmark]
    public void PagedAttention() =>
        _compute.PagedAttention(_q.Data, Heads, _tiles, _rows, new PagedSlab((nint)_keys.Data, (nint)_values.Data, KvHeads, D, Bfloat16), default, _o.Data);
}
