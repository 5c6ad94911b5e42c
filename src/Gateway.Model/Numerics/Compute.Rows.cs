namespace Gateway.Model.Numerics;

public sealed unsafe partial class Compute
{
    private const int ColumnsPerSum = 64;

    /// <summary>sums[c] (+)= Σ_r x[r, c], in the order of rows.</summary>
    public void ColumnSums(float* x, int rows, int width, float* sums, bool accumulate) =>
        OverRange(width, ColumnsPerSum, new ColumnSumsWork(x, rows, width, sums, accumulate));

    /// <summary>y = x / rms(x) · weight for every row (Zhang and Sennrich 2019).</summary>
    /// <param name="inverseRms">Receives 1/rms of each row for the backward pass; may be null.</param>
    public void RmsNorm(float* x, float* weight, int rows, int width, float epsilon, float* y, float* inverseRms) =>
        OverRange(rows, RowsPerChunk(width), new RmsNormWork(x, weight, width, epsilon, y, inverseRms));

    /// <summary>Adds the gradients of <see cref="RmsNorm"/> to <paramref name="dx"/> and, unless null, <paramref name="dweight"/>.</summary>
    public void RmsNormBackward(float* x, float* weight, float* inverseRms, float* dy, int rows, int width, float* dx, float* dweight)
    {
        OverRange(rows, RowsPerChunk(width), new RmsNormBackwardWork(x, weight, inverseRms, dy, width, dx));
        if (dweight is not null)
        {
            OverRange(width, ColumnsPerSum, new RmsNormWeightGradientWork(x, inverseRms, dy, rows, width, dweight));
        }
    }

    /// <summary>Rotates each head of x [rows, heads·headDimension] in place by the angles of its row's position; pairs are (i, i + headDimension/2).</summary>
    /// <param name="inverse">Rotates back: the gradient of the rotation.</param>
    public void Rope(float* x, int rows, int heads, int headDimension, int* positions, RopeTable table, bool inverse)
    {
        ArgumentNullException.ThrowIfNull(table);
        ArgumentOutOfRangeException.ThrowIfNotEqual(headDimension, table.HeadDimension);
        for (int row = 0; row < rows; row++)
        {
            RequireRotation(positions[row], row, table.ContextLength);
        }

        int width = heads * headDimension;
        OverRange(rows, RowsPerChunk(width), new RopeWork(x, heads, headDimension, positions, table.Cos, table.Sin, inverse));
    }

    private static void RequireRotation(int position, int row, int contextLength)
    {
        if ((uint)position >= (uint)contextLength)
        {
            throw new ArgumentOutOfRangeException(nameof(position), $"Position {position} of row {row} is outside the table of {contextLength} positions: build a longer table or shorten the sequence.");
        }
    }

    private readonly struct ColumnSumsWork(float* x, int rows, nint stride, float* sums, bool accumulate) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch) =>
            kernels.ColumnSums(x + first, rows, stride, count, sums + first, accumulate);
    }

    private readonly struct RmsNormWork(float* x, float* weight, int width, float epsilon, float* y, float* inverseRms) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            nint offset = (nint)first * width;
            kernels.RmsNorm(x + offset, weight, count, width, epsilon, y + offset, inverseRms is null ? null : inverseRms + first);
        }
    }

    private readonly struct RmsNormBackwardWork(float* x, float* weight, float* inverseRms, float* dy, int width, float* dx) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            nint offset = (nint)first * width;
            kernels.RmsNormBackward(x + offset, weight, inverseRms + first, dy + offset, count, width, dx + offset);
        }
    }

    private readonly struct RmsNormWeightGradientWork(float* x, float* inverseRms, float* dy, int rows, nint stride, float* dweight) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch) =>
            kernels.RmsNormWeightGradient(x + first, inverseRms, dy + first, rows, stride, count, dweight + first);
    }

    private readonly struct RopeWork(float* x, int heads, int headDimension, int* positions, float* cos, float* sin, bool inverse) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            int half = headDimension / 2;
            for (int row = first; row < first + count; row++)
            {
                nint angle = (nint)positions[row] * half;
                kernels.Rope(x + ((nint)row * heads * headDimension), heads, headDimension, cos + angle, sin + angle, inverse);
            }
        }
    }
}
