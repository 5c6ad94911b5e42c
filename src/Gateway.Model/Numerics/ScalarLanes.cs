using System.Runtime.CompilerServices;

namespace Gateway.Model.Numerics;

/// <summary>Sixteen lanes as a loop over plain floats: the reference every other path is compared with.</summary>
internal unsafe struct ScalarLanes : ILanes<ScalarLanes>
{
    private const int Count = 16;

    private fixed float _lanes[Count];

    public static bool HoldsSixteen => false;

    public static ScalarLanes Zero => default;

    public static ScalarLanes Broadcast(float value)
    {
        ScalarLanes result = default;
        for (int i = 0; i < Count; i++)
        {
            result._lanes[i] = value;
        }

        return result;
    }

    public static ScalarLanes Load(float* source) => LoadFirst(source, Count);

    public static ScalarLanes LoadFirst(float* source, int count)
    {
        ScalarLanes result = default;
        for (int i = 0; i < count; i++)
        {
            result._lanes[i] = source[i];
        }

        return result;
    }

    public static void Store(float* target, ScalarLanes value) => StoreFirst(target, value, Count);

    public static void StoreFirst(float* target, ScalarLanes value, int count)
    {
        for (int i = 0; i < count; i++)
        {
            target[i] = value._lanes[i];
        }
    }

    public static ScalarLanes LoadBfloat16(ushort* source)
    {
        ScalarLanes result = default;
        for (int i = 0; i < Count; i++)
        {
            result._lanes[i] = Bfloat16Matrix.ToSingle(source[i]);
        }

        return result;
    }

    public static void StoreBfloat16(ushort* target, ScalarLanes value)
    {
        for (int i = 0; i < Count; i++)
        {
            target[i] = Bfloat16Matrix.FromSingle(value._lanes[i]);
        }
    }

    public static void StoreSignedBytes(sbyte* target, ScalarLanes value)
    {
        for (int i = 0; i < Count; i++)
        {
            target[i] = (sbyte)value._lanes[i];
        }
    }

    public static void StorePairedShorts(short* target, ScalarLanes value)
    {
        for (int i = 0; i < Count; i += 4)
        {
            target[i] = (short)value._lanes[i];
            target[i + 1] = (short)value._lanes[i + 2];
            target[i + 2] = (short)value._lanes[i + 1];
            target[i + 3] = (short)value._lanes[i + 3];
        }
    }

    public static ScalarLanes Add(ScalarLanes a, ScalarLanes b)
    {
        for (int i = 0; i < Count; i++)
        {
            a._lanes[i] += b._lanes[i];
        }

        return a;
    }

    public static ScalarLanes Subtract(ScalarLanes a, ScalarLanes b)
    {
        for (int i = 0; i < Count; i++)
        {
            a._lanes[i] -= b._lanes[i];
        }

        return a;
    }

    public static ScalarLanes Multiply(ScalarLanes a, ScalarLanes b)
    {
        for (int i = 0; i < Count; i++)
        {
            a._lanes[i] *= b._lanes[i];
        }

        return a;
    }

    public static ScalarLanes Divide(ScalarLanes a, ScalarLanes b)
    {
        for (int i = 0; i < Count; i++)
        {
            a._lanes[i] /= b._lanes[i];
        }

        return a;
    }

    public static ScalarLanes FusedMultiplyAdd(ScalarLanes a, ScalarLanes b, ScalarLanes c)
    {
        for (int i = 0; i < Count; i++)
        {
            c._lanes[i] = MathF.FusedMultiplyAdd(a._lanes[i], b._lanes[i], c._lanes[i]);
        }

        return c;
    }

    public static ScalarLanes Max(ScalarLanes a, ScalarLanes b)
    {
        for (int i = 0; i < Count; i++)
        {
            a._lanes[i] = a._lanes[i] > b._lanes[i] ? a._lanes[i] : b._lanes[i];
        }

        return a;
    }

    public static ScalarLanes Min(ScalarLanes a, ScalarLanes b)
    {
        for (int i = 0; i < Count; i++)
        {
            a._lanes[i] = a._lanes[i] < b._lanes[i] ? a._lanes[i] : b._lanes[i];
        }

        return a;
    }

    public static ScalarLanes SquareRoot(ScalarLanes a)
    {
        for (int i = 0; i < Count; i++)
        {
            a._lanes[i] = MathF.Sqrt(a._lanes[i]);
        }

        return a;
    }

    public static ScalarLanes AddToExponent(ScalarLanes value, ScalarLanes shifted)
    {
        for (int i = 0; i < Count; i++)
        {
            int exponent = BitConverter.SingleToInt32Bits(shifted._lanes[i]) << 23;
            value._lanes[i] = BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value._lanes[i]) + exponent);
        }

        return value;
    }

    public static float Sum(ScalarLanes value)
    {
        for (int half = Count / 2; half > 0; half /= 2)
        {
            for (int i = 0; i < half; i++)
            {
                value._lanes[i] += value._lanes[i + half];
            }
        }

        return value._lanes[0];
    }

    public static float MaxAcross(ScalarLanes value)
    {
        for (int half = Count / 2; half > 0; half /= 2)
        {
            for (int i = 0; i < half; i++)
            {
                value._lanes[i] = value._lanes[i] > value._lanes[i + half] ? value._lanes[i] : value._lanes[i + half];
            }
        }

        return value._lanes[0];
    }
}
