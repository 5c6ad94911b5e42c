using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>The stored type of a panel whose products are computed in f32.</summary>
internal unsafe interface IPanelElement
{
    /// <summary>Bytes of one depth of a panel: 16 columns.</summary>
    static abstract int RowBytes { get; }

    /// <summary>All 16 columns of one depth.</summary>
    static abstract Vector512<float> Load512(byte* row);

    /// <summary>The first eight columns of one depth.</summary>
    static abstract Vector256<float> LoadLower(byte* row);

    /// <summary>The last eight columns of one depth.</summary>
    static abstract Vector256<float> LoadUpper(byte* row);
}

internal readonly unsafe struct SinglePanel : IPanelElement
{
    public static int RowBytes => WeightMatrix.PanelWidth * sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load512(byte* row) => Vector512.Load((float*)row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadLower(byte* row) => Vector256.Load((float*)row);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadUpper(byte* row) => Vector256.Load((float*)row + 8);
}

internal readonly unsafe struct Bfloat16Panel : IPanelElement
{
    public static int RowBytes => WeightMatrix.PanelWidth * sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load512(byte* row) => Avx512F.ShiftLeftLogical(Avx512F.ConvertToVector512Int32(Vector256.Load((ushort*)row)), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadLower(byte* row) => Avx2.ShiftLeftLogical(Avx2.ConvertToVector256Int32((ushort*)row), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadUpper(byte* row) => Avx2.ShiftLeftLogical(Avx2.ConvertToVector256Int32((ushort*)row + 8), 16).AsSingle();
}
