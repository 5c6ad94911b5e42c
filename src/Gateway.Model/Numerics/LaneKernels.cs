using System.Runtime.CompilerServices;

namespace Gateway.Model.Numerics;

/// <summary>Every kernel but the matrix product, written once in sixteen lanes and compiled per instruction set.</summary>
/// <remarks>
/// No kernel is inlined into its caller: the compiler, guided by what it has seen, otherwise takes kernels and workers together
/// until its budget is spent, and the operations on lanes become calls (measured: ten times slower).
/// </remarks>
/// <typeparam name="TLanes">The registers that hold sixteen lanes.</typeparam>
internal abstract unsafe partial class LaneKernels<TLanes> : Kernels
    where TLanes : struct, ILanes<TLanes>
{
    private protected const int Lanes = 16;

    /// <summary>Loads up to 16 values; lanes past <paramref name="left"/> are zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private protected static TLanes Load(float* source, int left) => left >= Lanes ? TLanes.Load(source) : TLanes.LoadFirst(source, left);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private protected static void Store(float* target, TLanes value, int left)
    {
        if (left >= Lanes)
        {
            TLanes.Store(target, value);
        }
        else
        {
            TLanes.StoreFirst(target, value, left);
        }
    }

    /// <summary>e^x: x = n·ln 2 + r with |r| ≤ ln 2 / 2, then the Taylor polynomial of degree 7 (truncation below 6e-9).</summary>
    /// <remarks>Clamped to [−87.3, 88.7], so the result is always a normal number.</remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private protected static TLanes Exp(TLanes x)
    {
        // Adding 1.5·2²³ rounds to an integer and leaves it in the low bits of the mantissa.
        TLanes rounder = TLanes.Broadcast(12582912f);
        x = TLanes.Max(TLanes.Min(x, TLanes.Broadcast(88.7f)), TLanes.Broadcast(-87.3f));
        TLanes shifted = TLanes.FusedMultiplyAdd(x, TLanes.Broadcast(1.44269504f), rounder);
        TLanes n = TLanes.Subtract(shifted, rounder);

        // ln 2 in two parts: the first has few mantissa bits, so n·part is exact.
        TLanes r = TLanes.FusedMultiplyAdd(n, TLanes.Broadcast(-0.693359375f), x);
        r = TLanes.FusedMultiplyAdd(n, TLanes.Broadcast(2.12194440e-4f), r);
        TLanes one = TLanes.Broadcast(1f);
        TLanes p = TLanes.Broadcast(1f / 5040);
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f / 720));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f / 120));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f / 24));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(1f / 6));
        p = TLanes.FusedMultiplyAdd(p, r, TLanes.Broadcast(0.5f));
        p = TLanes.FusedMultiplyAdd(p, r, one);
        p = TLanes.FusedMultiplyAdd(p, r, one);
        return TLanes.AddToExponent(p, shifted);
    }

    /// <summary>The logistic function 1 / (1 + e^−x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private protected static TLanes Sigmoid(TLanes x)
    {
        TLanes one = TLanes.Broadcast(1f);
        return TLanes.Divide(one, TLanes.Add(one, Exp(TLanes.Subtract(TLanes.Zero, x))));
    }
}
