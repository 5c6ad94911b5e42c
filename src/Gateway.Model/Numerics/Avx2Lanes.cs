using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Sixteen lanes in two 256-bit registers.</summary>
internal readonly unsafe struct Avx2Lanes : ILanes<Avx2Lanes>
{
    private readonly Vector256<float> _lower;
    private readonly Vector256<float> _upper;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Avx2Lanes(Vector256<float> lower, Vector256<float> upper)
    {
        _lower = lower;
        _upper = upper;
    }

    public static bool IsSupported => Avx2.IsSupported && Fma.IsSupported;

    public static bool HoldsSixteen => false;

    public static Avx2Lanes Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector256<float>.Zero, Vector256<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes Broadcast(float value)
    {
        Vector256<float> both = Vector256.Create(value);
        return new(both, both);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes Load(float* source) => new(Vector256.Load(source), Vector256.Load(source + 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes LoadFirst(float* source, int count) =>
        new(Avx.MaskLoad(source, FirstLanes(count)), Avx.MaskLoad(source + 8, FirstLanes(count - 8)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Avx2Lanes value)
    {
        value._lower.Store(target);
        value._upper.Store(target + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFirst(float* target, Avx2Lanes value, int count)
    {
        Avx.MaskStore(target, FirstLanes(count), value._lower);
        Avx.MaskStore(target + 8, FirstLanes(count - 8), value._upper);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes LoadBfloat16(ushort* source) => new(Widen(source), Widen(source + 8));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBfloat16(ushort* target, Avx2Lanes value) =>
        Vector256.Narrow(RoundToBfloat16(value._lower), RoundToBfloat16(value._upper)).Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSignedBytes(sbyte* target, Avx2Lanes value)
    {
        Vector256<int> lower = Avx.ConvertToVector256Int32(value._lower), upper = Avx.ConvertToVector256Int32(value._upper);
        Vector256<short> sixteen = Vector256.Narrow(lower, upper);
        Vector128.Narrow(sixteen.GetLower(), sixteen.GetUpper()).Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairedShorts(short* target, Avx2Lanes value)
    {
        Vector256<int> lower = Avx.ConvertToVector256Int32(value._lower), upper = Avx.ConvertToVector256Int32(value._upper);
        Vector256<short> sixteen = Vector256.Narrow(lower, upper);
        Avx2.ShuffleHigh(Avx2.ShuffleLow(sixteen, 0b11_01_10_00), 0b11_01_10_00).Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes Add(Avx2Lanes a, Avx2Lanes b) => new(Avx.Add(a._lower, b._lower), Avx.Add(a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes Subtract(Avx2Lanes a, Avx2Lanes b) => new(Avx.Subtract(a._lower, b._lower), Avx.Subtract(a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes Multiply(Avx2Lanes a, Avx2Lanes b) => new(Avx.Multiply(a._lower, b._lower), Avx.Multiply(a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes Divide(Avx2Lanes a, Avx2Lanes b) => new(Avx.Divide(a._lower, b._lower), Avx.Divide(a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes FusedMultiplyAdd(Avx2Lanes a, Avx2Lanes b, Avx2Lanes c) =>
        new(Fma.MultiplyAdd(a._lower, b._lower, c._lower), Fma.MultiplyAdd(a._upper, b._upper, c._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes Max(Avx2Lanes a, Avx2Lanes b) => new(Avx.Max(a._lower, b._lower), Avx.Max(a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes Min(Avx2Lanes a, Avx2Lanes b) => new(Avx.Min(a._lower, b._lower), Avx.Min(a._upper, b._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes SquareRoot(Avx2Lanes a) => new(Avx.Sqrt(a._lower), Avx.Sqrt(a._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx2Lanes AddToExponent(Avx2Lanes value, Avx2Lanes shifted) =>
        new(AddToExponent(value._lower, shifted._lower), AddToExponent(value._upper, shifted._upper));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Avx2Lanes value)
    {
        Vector256<float> eight = Avx.Add(value._lower, value._upper);
        Vector128<float> four = Sse.Add(eight.GetLower(), eight.GetUpper());
        Vector128<float> two = Sse.Add(four, Sse.MoveHighToLow(four, four));
        return two.GetElement(0) + two.GetElement(1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxAcross(Avx2Lanes value)
    {
        Vector256<float> eight = Avx.Max(value._lower, value._upper);
        Vector128<float> four = Sse.Max(eight.GetLower(), eight.GetUpper());
        Vector128<float> two = Sse.Max(four, Sse.MoveHighToLow(four, four));
        return two.GetElement(0) > two.GetElement(1) ? two.GetElement(0) : two.GetElement(1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> AddToExponent(Vector256<float> value, Vector256<float> shifted) =>
        Avx2.Add(value.AsInt32(), Avx2.ShiftLeftLogical(shifted.AsInt32(), 23)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> FirstLanes(int count) => Avx2.CompareGreaterThan(Vector256.Create(count), Vector256<int>.Indices).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Widen(ushort* source) => Avx2.ShiftLeftLogical(Avx2.ConvertToVector256Int32(source), 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RoundToBfloat16(Vector256<float> value)
    {
        Vector256<uint> bits = value.AsUInt32();
        return (bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
    }
}
