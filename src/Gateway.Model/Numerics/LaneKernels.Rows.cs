using System.Runtime.CompilerServices;

namespace Gateway.Model.Numerics;

internal abstract unsafe partial class LaneKernels<TLanes>
{
    /// <summary>Elements summed in f32 before the sum moves to f64: long sums keep their accuracy.</summary>
    private const int SumBlock = 1024;

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override float Dot(float* x, float* y, int count) => DotProduct(x, y, count);

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override double SumOfSquares(float* x, int count)
    {
        double total = 0;
        for (int i = 0; i < count; i += SumBlock)
        {
            total += DotProduct(x + i, x + i, Math.Min(SumBlock, count - i));
        }

        return total;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void ColumnSums(float* x, int rows, nint stride, int columns, float* sums, bool accumulate)
    {
        for (int i = 0; i < columns; i += Lanes)
        {
            int left = columns - i;
            TLanes sum = accumulate ? Load(sums + i, left) : TLanes.Zero;
            for (int row = 0; row < rows; row++)
            {
                sum = TLanes.Add(sum, Load(x + (row * stride) + i, left));
            }

            Store(sums + i, sum, left);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void RmsNorm(float* x, float* weight, int rows, int width, float epsilon, float* y, float* inverseRms)
    {
        for (int row = 0; row < rows; row++, x += width, y += width)
        {
            float inverse = 1f / MathF.Sqrt((DotProduct(x, x, width) / width) + epsilon);
            TLanes factor = TLanes.Broadcast(inverse);
            for (int i = 0; i < width; i += Lanes)
            {
                int left = width - i;
                Store(y + i, TLanes.Multiply(TLanes.Multiply(Load(x + i, left), factor), Load(weight + i, left)), left);
            }

            if (inverseRms is not null)
            {
                inverseRms[row] = inverse;
            }
        }
    }

    // dx += s·(w∘dy) − x·s³/n·Σ(w∘dy∘x), with s the inverse root mean square.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void RmsNormBackward(float* x, float* weight, float* inverseRms, float* dy, int rows, int width, float* dx)
    {
        for (int row = 0; row < rows; row++, x += width, dy += width, dx += width)
        {
            TLanes sum = TLanes.Zero;
            for (int i = 0; i < width; i += Lanes)
            {
                int left = width - i;
                sum = TLanes.FusedMultiplyAdd(TLanes.Multiply(Load(weight + i, left), Load(dy + i, left)), Load(x + i, left), sum);
            }

            float s = inverseRms[row];
            TLanes direct = TLanes.Broadcast(s);
            TLanes radial = TLanes.Broadcast(-(s * s * s * (TLanes.Sum(sum) / width)));
            for (int i = 0; i < width; i += Lanes)
            {
                int left = width - i;
                TLanes scaled = TLanes.Multiply(Load(weight + i, left), Load(dy + i, left));
                TLanes result = TLanes.FusedMultiplyAdd(direct, scaled, Load(dx + i, left));
                Store(dx + i, TLanes.FusedMultiplyAdd(radial, Load(x + i, left), result), left);
            }
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void RmsNormWeightGradient(float* x, float* inverseRms, float* dy, int rows, nint stride, int columns, float* dweight)
    {
        for (int i = 0; i < columns; i += Lanes)
        {
            int left = columns - i;
            TLanes sum = Load(dweight + i, left);
            for (int row = 0; row < rows; row++)
            {
                TLanes normalized = TLanes.Multiply(Load(x + (row * stride) + i, left), TLanes.Broadcast(inverseRms[row]));
                sum = TLanes.FusedMultiplyAdd(normalized, Load(dy + (row * stride) + i, left), sum);
            }

            Store(dweight + i, sum, left);
        }
    }

    // Pairs (i, i + d/2) turn by the angle of the position; the inverse turns back, which is also the gradient.
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void Rope(float* x, int heads, int headDimension, float* cos, float* sin, bool inverse)
    {
        int half = headDimension / 2;
        TLanes sign = TLanes.Broadcast(inverse ? -1f : 1f);
        for (int head = 0; head < heads; head++, x += headDimension)
        {
            for (int i = 0; i < half; i += Lanes)
            {
                int left = half - i;
                TLanes c = Load(cos + i, left);
                TLanes s = TLanes.Multiply(Load(sin + i, left), sign);
                TLanes first = Load(x + i, left);
                TLanes second = Load(x + half + i, left);
                Store(x + i, TLanes.Subtract(TLanes.Multiply(first, c), TLanes.Multiply(second, s)), left);
                Store(x + half + i, TLanes.Add(TLanes.Multiply(second, c), TLanes.Multiply(first, s)), left);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float DotProduct(float* x, float* y, int count)
    {
        TLanes sum = TLanes.Zero;
        for (int i = 0; i < count; i += Lanes)
        {
            sum = TLanes.FusedMultiplyAdd(Load(x + i, count - i), Load(y + i, count - i), sum);
        }

        return TLanes.Sum(sum);
    }
}
