namespace Gateway.Model.Numerics;

/// <summary>Sixteen f32 lanes: the one vocabulary in which every kernel but the matrix product is written.</summary>
/// <remarks>
/// Each operation rounds as IEEE 754 demands and <see cref="Sum"/> adds in one fixed tree, so a kernel written in
/// lanes gives the same bits whether sixteen lanes are one register, two, or a loop.
/// </remarks>
/// <typeparam name="T">The implementing type.</typeparam>
internal unsafe interface ILanes<T>
    where T : struct, ILanes<T>
{
    /// <summary>Whether sixteen sums fit the registers at once; else it is four, with what is multiplied.</summary>
    static abstract bool HoldsSixteen { get; }

    static abstract T Zero { get; }

    static abstract T Broadcast(float value);

    static abstract T Load(float* source);

    /// <summary>Loads the first <paramref name="count"/> (1..15) lanes; the others are zero and their memory is not touched.</summary>
    static abstract T LoadFirst(float* source, int count);

    static abstract void Store(float* target, T value);

    static abstract void StoreFirst(float* target, T value, int count);

    /// <summary>Widens sixteen bfloat16 values.</summary>
    static abstract T LoadBfloat16(ushort* source);

    /// <summary>Rounds to bfloat16, ties to even; values must be finite.</summary>
    static abstract void StoreBfloat16(ushort* target, T value);

    /// <summary>Stores whole numbers between −128 and 127 as bytes.</summary>
    static abstract void StoreSignedBytes(sbyte* target, T value);

    /// <summary>Stores whole numbers of 16 bits, of every four lanes in the order 0, 2, 1, 3.</summary>
    static abstract void StorePairedShorts(short* target, T value);

    static abstract T Add(T a, T b);

    static abstract T Subtract(T a, T b);

    static abstract T Multiply(T a, T b);

    static abstract T Divide(T a, T b);

    /// <summary>a·b + c with a single rounding.</summary>
    static abstract T FusedMultiplyAdd(T a, T b, T c);

    /// <summary>a where a &gt; b, else b.</summary>
    static abstract T Max(T a, T b);

    /// <summary>a where a &lt; b, else b.</summary>
    static abstract T Min(T a, T b);

    static abstract T SquareRoot(T a);

    /// <summary>Adds the low bits of <paramref name="shifted"/> to the exponent of <paramref name="value"/>.</summary>
    static abstract T AddToExponent(T value, T shifted);

    /// <summary>Sum of all lanes: lanes i and i+8, then i and i+4, i and i+2, i and i+1.</summary>
    static abstract float Sum(T value);

    /// <summary>Largest lane, by the tree of <see cref="Sum"/>.</summary>
    static abstract float MaxAcross(T value);
}
