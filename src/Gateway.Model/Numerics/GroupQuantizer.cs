using System.Runtime.Intrinsics;

namespace Gateway.Model.Numerics;

/// <summary>Rounds one group of weights to integers and a bfloat16 scale; weight ≈ number · scale.</summary>
internal static unsafe class GroupQuantizer
{
    /// <summary>64 weights to −127..127: the largest magnitude becomes 127.</summary>
    public static ushort Quantize8(float* weights, sbyte* numbers)
    {
        Vector256<float> largest = Vector256<float>.Zero;
        for (int k = 0; k < Int8Format.GroupDepth; k += 8)
        {
            largest = Vector256.Max(largest, Vector256.Abs(Vector256.Load(weights + k)));
        }

        ushort scale = Bfloat16Matrix.FromSingle(Largest(largest) / 127);
        Round(weights, Int8Format.GroupDepth, Inverse(scale), -127, 127, numbers);
        return scale;
    }

    /// <summary>
    /// 32 weights to −8..7. The weight of largest magnitude is tried at −8 and at some places around it; the numbers with
    /// the smallest squared error under their best scale win (as in ggml's search for its 4-bit formats).
    /// </summary>
    public static ushort Quantize4(float* weights, sbyte* numbers)
    {
        float peak = 0;
        for (int k = 0; k < Int4Format.GroupDepth; k++)
        {
            peak = MathF.Abs(weights[k]) > MathF.Abs(peak) ? weights[k] : peak;
        }

        if (peak == 0)
        {
            new Span<sbyte>(numbers, Int4Format.GroupDepth).Clear();
            return 0;
        }

        float best = -1, bestScale = 0, bestInverse = 0;
        for (float place = -9.6f; place <= -5.9f; place += 0.2f)
        {
            float inverse = place / peak;
            (float product, float square) = Fit(weights, inverse);
            if (square > 0 && product * product > best * square)
            {
                (best, bestScale, bestInverse) = (product * product / square, product / square, inverse);
            }
        }

        Round(weights, Int4Format.GroupDepth, bestInverse, -8, 7, numbers);
        return Bfloat16Matrix.FromSingle(bestScale);
    }

    /// <summary>Σ weight·number and Σ number² of a rounding; the best scale is their quotient.</summary>
    private static (float Product, float Square) Fit(float* weights, float inverse)
    {
        Vector256<float> products = Vector256<float>.Zero, squares = Vector256<float>.Zero;
        for (int k = 0; k < Int4Format.GroupDepth; k += 8)
        {
            Vector256<float> weight = Vector256.Load(weights + k);
            Vector256<float> number = Rounded(weight, inverse, -8, 7);
            products += weight * number;
            squares += number * number;
        }

        return (Sum(products), Sum(squares));
    }

    private static void Round(float* weights, int count, float inverse, float lowest, float highest, sbyte* numbers)
    {
        for (int k = 0; k < count; k += 8)
        {
            Vector256<int> rounded = Vector256.ConvertToInt32(Rounded(Vector256.Load(weights + k), inverse, lowest, highest));
            for (int i = 0; i < 8; i++)
            {
                numbers[k + i] = (sbyte)rounded[i];
            }
        }
    }

    private static Vector256<float> Rounded(Vector256<float> weight, float inverse, float lowest, float highest) =>
        Vector256.Min(Vector256.Max(Vector256.Round(weight * Vector256.Create(inverse)), Vector256.Create(lowest)), Vector256.Create(highest));

    private static float Inverse(ushort scale) => scale == 0 ? 0 : 1 / Bfloat16Matrix.ToSingle(scale);

    private static float Largest(Vector256<float> values)
    {
        float largest = values[0];
        for (int i = 1; i < 8; i++)
        {
            largest = MathF.Max(largest, values[i]);
        }

        return largest;
    }

    private static float Sum(Vector256<float> values)
    {
        float sum = values[0];
        for (int i = 1; i < 8; i++)
        {
            sum += values[i];
        }

        return sum;
    }
}
