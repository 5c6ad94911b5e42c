using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Gateway.Model.Numerics;

/// <summary>Sixteen lanes in one 512-bit register.</summary>
internal readonly unsafe struct Avx512Lanes : ILanes<Avx512Lanes>
{
    private readonly Vector512<float> _value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Avx512Lanes(Vector512<float> value) => _value = value;

    public static bool IsSupported => Avx512F.IsSupported && Avx2.IsSupported && Fma.IsSupported;

    public static bool HoldsSixteen => true;

    public static Avx512Lanes Zero
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector512<float>.Zero);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes Broadcast(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes Load(float* source) => new(Vector512.Load(source));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes LoadFirst(float* source, int count) => new(Avx512F.MaskLoad(source, FirstLanes(count), Vector512<float>.Zero));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, Avx512Lanes value) => value._value.Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreFirst(float* target, Avx512Lanes value, int count) => Avx512F.MaskStore(target, FirstLanes(count), value._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes LoadBfloat16(ushort* source) => new(Avx512F.ShiftLeftLogical(Avx512F.ConvertToVector512Int32(Vector256.Load(source)), 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBfloat16(ushort* target, Avx512Lanes value)
    {
        Vector512<uint> bits = value._value.AsUInt32();
        Vector512<uint> rounded = bits + Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512<uint>.One);
        Avx512F.ConvertToVector256UInt16(rounded >> 16).Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreSignedBytes(sbyte* target, Avx512Lanes value) => Avx512F.ConvertToVector128SByte(Avx512F.ConvertToVector512Int32(value._value)).Store(target);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePairedShorts(short* target, Avx512Lanes value)
    {
        Vector256<short> sixteen = Avx512F.ConvertToVector256Int16(Avx512F.ConvertToVector512Int32(value._value));
        Avx2.ShuffleHigh(Avx2.ShuffleLow(sixteen, 0b11_01_10_00), 0b11_01_10_00).Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes Add(Avx512Lanes a, Avx512Lanes b) => new(Avx512F.Add(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes Subtract(Avx512Lanes a, Avx512Lanes b) => new(Avx512F.Subtract(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes Multiply(Avx512Lanes a, Avx512Lanes b) => new(Avx512F.Multiply(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes Divide(Avx512Lanes a, Avx512Lanes b) => new(Avx512F.Divide(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes FusedMultiplyAdd(Avx512Lanes a, Avx512Lanes b, Avx512Lanes c) => new(Avx512F.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes Max(Avx512Lanes a, Avx512Lanes b) => new(Avx512F.Max(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes Min(Avx512Lanes a, Avx512Lanes b) => new(Avx512F.Min(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes SquareRoot(Avx512Lanes a) => new(Avx512F.Sqrt(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Avx512Lanes AddToExponent(Avx512Lanes value, Avx512Lanes shifted) =>
        new(Avx512F.Add(value._value.AsInt32(), Avx512F.ShiftLeftLogical(shifted._value.AsInt32(), 23)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Avx512Lanes value)
    {
        Vector256<float> eight = Avx.Add(value._value.GetLower(), value._value.GetUpper());
        Vector128<float> four = Sse.Add(eight.GetLower(), eight.GetUpper());
        Vector128<float> two = Sse.Add(four, Sse.MoveHighToLow(four, four));
        return two.GetElement(0) + two.GetElement(1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxAcross(Avx512Lanes value)
    {
        Vector256<float> eight = Avx.Max(value._value.GetLower(), value._value.GetUpper());
        Vector128<float> four = Sse.Max(eight.GetLower(), eight.GetUpper());
        Vector128<float> two = Sse.Max(four, Sse.MoveHighToLow(four, four));
        return two.GetElement(0) > two.GetElement(1) ? two.GetElement(0) : two.GetElement(1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> FirstLanes(int count) => Vector512.LessThan(Vector512<int>.Indices, Vector512.Create(count)).AsSingle();
}
