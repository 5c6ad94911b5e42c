using System.Runtime.CompilerServices;

namespace Gateway.Model.Numerics;

internal abstract unsafe partial class LaneKernels<TLanes>
{
    /// <summary>Adding and subtracting 1.5·2²³ rounds to a whole number, ties to even.</summary>
    private const float Rounder = 12582912f;

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void QuantizeRow(float* x, int width, int groupDepth, int offset, in QuantizedRows target, int row)
    {
        sbyte* numbers = target.Row(row);
        float* scales = target.RowScales(row);
        int* corrections = target.RowCorrections(row);
        for (int group = 0; group < target.Groups; group++, x += groupDepth, width -= groupDepth, numbers += groupDepth * target.NumberBytes)
        {
            // 1. The largest magnitude becomes 127.
            int count = Math.Min(groupDepth, width);
            TLanes largest = TLanes.Zero;
            for (int k = 0; k < count; k += Lanes)
            {
                TLanes value = Load(x + k, count - k);
                largest = TLanes.Max(largest, TLanes.Max(value, TLanes.Subtract(TLanes.Zero, value)));
            }

            float peak = TLanes.MaxAcross(largest);
            scales[group] = peak / 127f;

            // 2. Round to whole numbers, at most 127 in size, and add them up; the sums are small whole numbers, hence exact.
            TLanes inverse = TLanes.Broadcast(peak > 0 ? 127f / peak : 0f);
            TLanes rounder = TLanes.Broadcast(Rounder);
            TLanes sum = TLanes.Zero;
            for (int k = 0; k < groupDepth; k += Lanes)
            {
                TLanes value = k < count ? Load(x + k, count - k) : TLanes.Zero;
                TLanes number = TLanes.Subtract(TLanes.Add(TLanes.Multiply(value, inverse), rounder), rounder);
                sum = TLanes.Add(sum, number);
                if (target.NumberBytes == sizeof(sbyte))
                {
                    TLanes.StoreSignedBytes(numbers + k, number);
                }
                else
                {
                    TLanes.StorePairedShorts((short*)numbers + k, number);
                }
            }

            corrections[group] = -offset * (int)TLanes.Sum(sum);
        }
    }
}
