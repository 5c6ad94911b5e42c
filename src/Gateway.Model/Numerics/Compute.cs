namespace Gateway.Model.Numerics;

/// <summary>The kernels of one instruction set spread over a team of threads: every operation of the networks.</summary>
/// <remarks>
/// Serves one caller thread at a time. Memory belongs to the caller; matrices are row-major, rows are tokens.
/// The result of a row depends on that row alone: not on the number of rows, its neighbours, the thread count or the
/// instruction set. Operations are split only where the split cannot change an order of additions.
/// </remarks>
public sealed unsafe partial class Compute : IDisposable
{
    /// <summary>Elements that one chunk of an operation over rows handles: more than a microsecond of work.</summary>
    private const int ElementsPerChunk = 4096;

    private readonly WorkerTeam _team;
    private readonly Scratch _shared = new();
    private readonly Scratch _results = new();
    private readonly Scratch[] _private;

    public Compute(int threads, Kernels? kernels = null)
    {
        Kernels = kernels ?? Kernels.Best;
        _team = new WorkerTeam(threads);
        _private = new Scratch[threads];
        for (int i = 0; i < threads; i++)
        {
            _private[i] = new Scratch();
        }
    }

    public Kernels Kernels { get; }

    public int Threads => _team.Threads;

    /// <summary>Runs <paramref name="body"/> for 0..chunks-1 on the team, in any order; a delegate that is kept costs no allocation.</summary>
    public void Run(int chunks, Action<int> body) => _team.Run(chunks, body);

    public void Dispose()
    {
        _team.Dispose();
        _shared.Dispose();
        _results.Dispose();
        _quantized.Dispose();
        foreach (Scratch scratch in _private)
        {
            scratch.Dispose();
        }
    }

    /// <summary>Splits 0..count-1 into chunks of <paramref name="perChunk"/> and runs them on the team.</summary>
    private void OverRange<TWork>(int count, int perChunk, TWork work)
        where TWork : struct, IRangeWork
    {
        // Chunks of equal size, as many for every thread: 8 rows at up to 7 a chunk are 4 and 4, not 7 and 1.
        int chunks = (int)(((long)count + Math.Max(1, perChunk) - 1) / Math.Max(1, perChunk));
        chunks = chunks > 1 ? (chunks + Threads - 1) / Threads * Threads : chunks;
        perChunk = chunks > 0 ? (count + chunks - 1) / chunks : 1;
        var job = new RangeJob<TWork>(Kernels, _private, count, perChunk, work);
        _team.Run((count + perChunk - 1) / perChunk, ref job);
    }

    private static int RowsPerChunk(int width) => ElementsPerChunk / Math.Max(1, width);

    /// <summary>One operation over a range of rows, columns or elements.</summary>
    private interface IRangeWork
    {
        void Run(Kernels kernels, int first, int count, Scratch scratch);
    }

    private readonly struct RangeJob<TWork>(Kernels kernels, Scratch[] scratch, int count, int perChunk, TWork work) : IChunkedWork
        where TWork : struct, IRangeWork
    {
        public void Run(int chunk, int worker)
        {
            int first = chunk * perChunk;
            work.Run(kernels, first, Math.Min(perChunk, count - first), scratch[worker]);
        }
    }
}
