using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>The f32 end of a group of depths, the same in every tile: value(dot)·(row scale·weight scale) + sum.</summary>
internal static unsafe class GroupSums
{
    /// <summary>Widens eight bfloat16 scales.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scales(byte* eight) =>
        Vector256.ShiftLeft(Avx2.ConvertToVector256Int32((ushort*)eight), 16).AsSingle();

    /// <summary>Adds the dot products of one row and sixteen outputs to its sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(Vector256<int> left, Vector256<int> right, Vector256<float> leftScale, Vector256<float> rightScale, float scale, float* sums)
    {
        Vector256<float> factor = Vector256.Create(scale);
        Fma.MultiplyAdd(Avx.ConvertToVector256Single(left), factor * leftScale, Vector256.Load(sums)).Store(sums);
        Fma.MultiplyAdd(Avx.ConvertToVector256Single(right), factor * rightScale, Vector256.Load(sums + 8)).Store(sums + 8);
    }
}
