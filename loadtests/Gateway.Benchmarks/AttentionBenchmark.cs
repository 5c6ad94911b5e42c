using System.Diagnostics;
using Gateway.Model.Numerics;

namespace Gateway.Benchmarks;

/// <summary>Training attention, serving attention and the memory-bound operations of one layer, in microseconds.</summary>
/// <remarks>Read beside the time of the layer's products: 2·rows·parameters operations at the rate that gemm prints.</remarks>
internal static unsafe class AttentionBenchmark
{
    private static readonly TimeSpan s_warmUp = TimeSpan.FromMilliseconds(400);

    private const int Rows = 1024;
    private const int Width = 256;
    private const int Inner = 768;

    public static void Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0]) : Environment.ProcessorCount;
        int repetitions = args.Length > 1 ? int.Parse(args[1]) : 30;
        using var compute = new Compute(threads);
        foreach (int length in new[] { 256, 512, 1024 })
        {
            MeasureAttention(compute, length, heads: 8, d: 32, repetitions);
            MeasureAttention(compute, length, heads: 4, d: 64, repetitions);
        }

        MeasureRows(compute, repetitions);
        MeasurePaged(compute, rows: 1, context: 1024, repetitions);
        MeasurePaged(compute, rows: 256, context: 256, repetitions);
    }

    private static void MeasureAttention(Compute compute, int length, int heads, int d, int repetitions)
    {
        using Matrix q = Random(Rows, heads * d), k = Random(Rows, heads * d), v = Random(Rows, heads * d), o = Random(Rows, heads * d), gradient = Random(Rows, heads * d);
        using Matrix dq = Random(Rows, heads * d), dk = Random(Rows, heads * d), dv = Random(Rows, heads * d), logSumExp = Random(Rows, heads);
        int[] starts = [.. Enumerable.Range(0, (Rows / length) + 1).Select(document => document * length)];
        double operations = 2.0 * Rows * length * heads * d;
        Report($"causal attention {Rows} rows, documents of {length}, {heads} heads of {d}", operations, repetitions, () =>
            compute.CausalAttention(q.Data, k.Data, v.Data, Rows, heads, heads, d, starts, o.Data, logSumExp.Data));
        Report("  backward", 2.5 * operations, repetitions, () =>
            compute.CausalAttentionBackward(q.Data, k.Data, v.Data, o.Data, logSumExp.Data, gradient.Data, Rows, heads, heads, d, starts, dq.Data, dk.Data, dv.Data));
    }

    private static void MeasureRows(Compute compute, int repetitions)
    {
        using Matrix x = Random(Rows, Width), y = Random(Rows, Width), weight = Random(1, Width), inverse = Random(1, Rows), dweight = Random(1, Width);
        using Matrix gate = Random(Rows, Inner), up = Random(Rows, Inner), down = Random(Rows, Inner);
        using Matrix logits = Random(Rows, 4096), weights = Random(Inner, Width), m = Random(Inner, Width), variance = new(Inner, Width);
        using var packed = new PackedMatrix(Width, Inner);
        int[] labels = new int[Rows];
        Report($"RMSNorm {Rows} x {Width}", 0, repetitions, () => compute.RmsNorm(x.Data, weight.Data, Rows, Width, 1e-5f, y.Data, inverse.Data));
        Report("  backward", 0, repetitions, () => compute.RmsNormBackward(x.Data, weight.Data, inverse.Data, y.Data, Rows, Width, x.Data, dweight.Data));
        Report($"SwiGLU {Rows} x {Inner}", 0, repetitions, () => compute.PrepareGated(new ProductInput(down.Data, Rows, Inner, PanelFormat.F32), [], gate.Data, up.Data));
        Report("  backward", 0, repetitions, () => compute.SwiGluBackward(gate.Data, up.Data, down.Data, Rows * Inner, gate.Data, up.Data));
        Report($"cross entropy {Rows} x 4096", 0, repetitions, () =>
        {
            fixed (int* label = labels)
            {
                compute.CrossEntropy(logits.Data, Rows, 4096, label, 1f);
            }
        });
        Report($"AdamW {Inner} x {Width}", 0, repetitions, () => compute.AdamW(weights.Data, gate.Data, m.Data, variance.Data, Inner * Width, 1e-6f, 0.9f, 0.95f, 1e-8f, 0.1f, 1, 1f));
        Report($"pack transposed {Inner} x {Width}", 0, repetitions, () => compute.PackTransposed(packed, weights.Data, Width));
    }

    private static void MeasurePaged(Compute compute, int rows, int context, int repetitions)
    {
        const int Heads = 9, KvHeads = 3, D = 64;
        using Matrix q = Random(rows, Heads * D), o = Random(rows, Heads * D);
        using Matrix memory = Random(2 * context, KvHeads * D);
        int[] blocks = [.. Enumerable.Range(0, context / PagedRow.BlockTokens)];
        var slab = new PagedSlab((nint)memory.Data, (nint)(memory.Data + (context * KvHeads * D)), KvHeads, D, Bfloat16: false);
        double operations = 4.0 * Heads * D * (rows == 1 ? context : rows * context / 2.0);
        Report($"paged attention {rows} rows at context {context}, {Heads}/{KvHeads} heads of {D}", operations, repetitions, () =>
        {
            fixed (int* block = blocks)
            {
                Span<PagedRow> paged = stackalloc PagedRow[rows];
                for (int row = 0; row < rows; row++)
                {
                    paged[row] = new PagedRow(block, context - rows + row);
                }

                Span<PagedTile> tiles = stackalloc PagedTile[(rows + PagedTile.MaximumRows - 1) / PagedTile.MaximumRows];
                for (int tile = 0; tile < tiles.Length; tile++)
                {
                    tiles[tile] = new PagedTile(tile * PagedTile.MaximumRows, Math.Min(PagedTile.MaximumRows, rows - (tile * PagedTile.MaximumRows)));
                }

                compute.PagedAttention(q.Data, Heads, tiles, paged, slab, default, o.Data);
            }
        });
    }

    private static Matrix Random(int rows, int columns)
    {
        var matrix = new Matrix(rows, columns);
        var random = new Random(rows + columns);
        foreach (ref float value in matrix.Span)
        {
            value = random.NextSingle() - 0.5f;
        }

        return matrix;
    }

    private static void Report(string name, double operations, int repetitions, Action action)
    {
        // The runtime replaces its first, slow code in the background: wait for that before measuring.
        long warming = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(warming) < s_warmUp)
        {
            action();
        }

        var times = new List<double>();
        for (int repetition = 0; repetition < repetitions; repetition++)
        {
            long started = Stopwatch.GetTimestamp();
            action();
            times.Add(Stopwatch.GetElapsedTime(started).TotalMicroseconds);
        }

        string rate = operations > 0 ? $"{operations / times.Min() / 1e3,8:F0} GFLOPS" : string.Empty;
        Console.WriteLine($"{name,-72}{times.Min(),10:F1} µs{rate}");
    }
}
