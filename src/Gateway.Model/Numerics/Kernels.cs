namespace Gateway.Model.Numerics;

/// <summary>The arithmetic of one instruction set, single-threaded, over the range it is given.</summary>
/// <remarks>
/// All sets give the same bits: products are one chain of fused multiply-adds over the depth, reductions use sixteen
/// lanes and one tree (<see cref="ILanes{T}"/>). <see cref="Compute"/> checks arguments and splits work over threads.
/// </remarks>
public abstract unsafe class Kernels
{
    /// <summary>Names the set to use, for tests and for support: scalar, avx2 or avx512.</summary>
    public const string OverrideVariable = "GATEWAY_KERNELS";

    /// <summary>Rows of the sums that <see cref="AddOuterProducts"/> adds up in one go.</summary>
    internal const int OuterProductRank = 8;

    private static readonly Lazy<Kernels> s_best = new(() => Choose(Environment.GetEnvironmentVariable(OverrideVariable)));

    private protected Kernels()
    {
    }

    /// <summary>Plain loops: portable, slow, and the reference for the others.</summary>
    public static Kernels Scalar { get; } = new ScalarKernels();

    /// <summary>The sets this processor supports under the runtime's switches, slowest first.</summary>
    public static IReadOnlyList<Kernels> Available { get; } = FindAvailable();

    /// <summary>The fastest available set, or the one named by the override; chosen once.</summary>
    public static Kernels Best => s_best.Value;

    /// <summary>scalar, avx2 or avx512.</summary>
    public abstract string Name { get; }

    /// <summary>
    /// Most rows of a chunk of a product whose panels are not quantized: left side, panels and results of one pass over the
    /// depth stay below 1 MiB, within the second-level cache of processors with wide vectors.
    /// </summary>
    internal virtual int RowBlock => 516;

    internal static Kernels Choose(string? name)
    {
        if (string.IsNullOrEmpty(name))
        {
            return Available[^1];
        }

        return Available.FirstOrDefault(kernels => string.Equals(kernels.Name, name, StringComparison.OrdinalIgnoreCase))
            ?? throw new InvalidOperationException($"{OverrideVariable} is '{name}', which this processor does not support: unset it or use one of {string.Join(", ", Available.Select(kernels => kernels.Name))}.");
    }

    // Products. Element (r, k) of the left side is a[r·rowStride + k·depthStride]; panels are [panel][depth][16] and
    // panelStride floats apart; only `width` columns of C are touched. With accumulate the chain starts at C.
    internal abstract void Multiply(float* a, nint rowStride, nint depthStride, int rows, float* panels, nint panelStride, int depth, int width, float* c, nint ldc, bool accumulate);

    // The same with bfloat16 panels, panelBytes apart, and rows without gaps in the depth.
    internal abstract void MultiplyBfloat16(float* a, nint rowStride, int rows, byte* panels, nint panelBytes, int depth, int width, float* c, nint ldc, bool accumulate);

    // Quantized rows from firstRow on times quantized panels, 4-bit or 8-bit.
    internal abstract void MultiplyQuantized(in QuantizedRows x, int firstRow, int rows, bool fourBits, byte* panels, nint panelBytes, int width, float* c, nint ldc, bool accumulate, in WeightStream stream);

    // How the left side of MultiplyQuantized must be stored: see QuantizedRows.NumberBytes.
    internal abstract int ActivationBytes(bool fourBits);

    // One row of activations in groups: numbers −127..127, scale max/127, correction −offset·Σ numbers.
    internal abstract void QuantizeRow(float* x, int width, int groupDepth, int offset, in QuantizedRows target, int row);

    // sums[j, c] += Σ_t left[t, j]·right[t·stride + c] for t in 0..depth-1, in that order; left is [depth, OuterProductRank],
    // sums [OuterProductRank, columns].
    internal abstract void AddOuterProducts(float* left, float* right, nint stride, int depth, int columns, float* sums);

    // Elementwise.
    internal abstract void Add(float* x, float* y, int count);

    internal abstract void Scale(float* x, float factor, int count);

    internal abstract void Axpy(float factor, float* x, float* y, int count);

    internal abstract void SwiGlu(float* gate, float* up, int count, float* y);

    internal abstract void SwiGluBackward(float* gate, float* up, float* dy, int count, float* dgate, float* dup);

    internal abstract void AdamW(float* parameter, float* gradient, float* m, float* v, int count, in AdamWStep step);

    // Reductions.
    internal abstract double SumOfSquares(float* x, int count);

    internal abstract float Dot(float* x, float* y, int count);

    internal abstract void ColumnSums(float* x, int rows, nint stride, int columns, float* sums, bool accumulate);

    // Rows.
    internal abstract void RmsNorm(float* x, float* weight, int rows, int width, float epsilon, float* y, float* inverseRms);

    internal abstract void RmsNormBackward(float* x, float* weight, float* inverseRms, float* dy, int rows, int width, float* dx);

    internal abstract void RmsNormWeightGradient(float* x, float* inverseRms, float* dy, int rows, nint stride, int columns, float* dweight);

    internal abstract void Rope(float* x, int heads, int headDimension, float* cos, float* sin, bool inverse);

    // Softmax. Values past `valid` up to `padded` become zero, so that a product may run over them.
    internal abstract float Softmax(float* scores, int valid, int padded, float scale);

    internal abstract void SoftmaxFromLogSumExp(float* scores, int valid, int padded, float scale, float logSumExp);

    internal abstract void SoftmaxBackward(float* probabilities, float* gradient, int valid, int padded, float scale, float delta);

    internal abstract double CrossEntropyRow(float* logits, int vocabulary, int label, float scale);

    internal abstract double LogProbability(float* logits, int vocabulary, int label);

    // A tile of rows over the cache blocks of its sequence; scratch as PagedScratchFloats says.
    internal abstract void PagedAttention(in PagedQueries queries, in PagedKeys cache, float* scratch);

    // Writes a key [d] and a value [d] to their place in a block's keys [d][16] and values [16][d rounded up].
    internal abstract void StoreKeyValue(float* key, float* value, int d, bool bfloat16, byte* keys, byte* values, int token);

    /// <summary>Scratch of <see cref="PagedAttention"/>: weights of four queries, and sums, totals and maxima of all with four spare places.</summary>
    internal static long PagedScratchFloats(int queries, int d) => 256 + ((queries + 4L) * (PagedKeys.RoundUp(d) + 16 + 1)) + 16;

    private static Kernels[] FindAvailable()
    {
        var found = new List<Kernels> { Scalar };
        if (Avx2Lanes.IsSupported)
        {
            found.Add(new Avx2Kernels());
        }

        if (Avx512Lanes.IsSupported)
        {
            found.Add(new Avx512Kernels());
        }

        return [.. found];
    }
}
