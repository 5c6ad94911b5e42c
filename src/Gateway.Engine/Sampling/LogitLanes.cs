using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Gateway.Engine.Sampling;

/// <summary>
/// Sixteen f32 lanes, whatever registers the processor has: every operation rounds as IEEE 754 demands and lanes are added
/// in one fixed tree, so that a draw is the same on every instruction set.
/// </summary>
internal static class LogitLanes
{
    /// <summary>Values per vector.</summary>
    public const int Count = 16;

    /// <summary>Loads 16 values; lanes past the end of the row get <paramref name="fill"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(ReadOnlySpan<float> row, int index, float fill) =>
        index + Count <= row.Length
            ? Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(row), (nuint)index)
            : LoadTail(row[index..], fill);

    /// <summary>Stores the lanes that lie inside the row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Span<float> row, int index, Vector512<float> value)
    {
        if (index + Count <= row.Length)
        {
            value.StoreUnsafe(ref MemoryMarshal.GetReference(row), (nuint)index);
        }
        else
        {
            StoreTail(row[index..], value);
        }
    }

    /// <summary>Adds lanes i and i + 8, then i and i + 4, i and i + 2, i and i + 1.</summary>
    public static float Sum(Vector512<float> value)
    {
        var eight = value.GetLower() + value.GetUpper();
        var four = eight.GetLower() + eight.GetUpper();
        return (four.GetElement(0) + four.GetElement(2)) + (four.GetElement(1) + four.GetElement(3));
    }

    /// <summary>The largest lane.</summary>
    public static float Max(Vector512<float> value)
    {
        var eight = Vector256.MaxNative(value.GetLower(), value.GetUpper());
        var four = Vector128.MaxNative(eight.GetLower(), eight.GetUpper());
        return MathF.Max(MathF.Max(four.GetElement(0), four.GetElement(1)), MathF.Max(four.GetElement(2), four.GetElement(3)));
    }

    /// <summary>e^x for x ≤ 0, exactly 1 at 0 and exactly 0 below −87: x = n·ln 2 + r with |r| ≤ ln 2 / 2, then the Taylor polynomial of degree 7.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        var negligible = Vector512.LessThan(x, Vector512.Create(-87f));
        x = Vector512.MaxNative(x, Vector512.Create(-87f));

        // Adding 1.5·2²³ rounds to an integer and leaves it in the low bits of the mantissa.
        var rounder = Vector512.Create(12582912f);
        var shifted = Vector512.FusedMultiplyAdd(x, Vector512.Create(1.44269504f), rounder);
        var n = shifted - rounder;

        // ln 2 in two parts: the first has few mantissa bits, so n·part is exact.
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-0.693359375f), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(2.12194440e-4f), r);
        var p = Vector512.Create(1f / 5040);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 720));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 120));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 24));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 6));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(0.5f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        var scaled = (p.AsInt32() + Vector512.ShiftLeft(shifted.AsInt32(), 23)).AsSingle();
        return Vector512.ConditionalSelect(negligible, Vector512<float>.Zero, scaled);
    }

    private static Vector512<float> LoadTail(ReadOnlySpan<float> tail, float fill)
    {
        Span<float> lanes = stackalloc float[Count];
        lanes.Fill(fill);
        tail.CopyTo(lanes);
        return Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(lanes));
    }

    private static void StoreTail(Span<float> tail, Vector512<float> value)
    {
        Span<float> lanes = stackalloc float[Count];
        value.StoreUnsafe(ref MemoryMarshal.GetReference(lanes));
        lanes[..tail.Length].CopyTo(tail);
    }
}
