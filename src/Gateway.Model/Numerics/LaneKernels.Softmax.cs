using System.Runtime.CompilerServices;

namespace Gateway.Model.Numerics;

internal abstract unsafe partial class LaneKernels<TLanes>
{
    /// <summary>Replaces scores by softmax(scale·scores) and returns log Σ e^(scale·score).</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override float Softmax(float* scores, int valid, int padded, float scale)
    {
        float max = Max(scores, valid) * scale;
        TLanes factor = TLanes.Broadcast(scale);
        TLanes shift = TLanes.Broadcast(-max);
        TLanes sum = TLanes.Zero;
        for (int i = 0; i < valid; i += Lanes)
        {
            int left = valid - i;
            Store(scores + i, Exp(TLanes.FusedMultiplyAdd(Load(scores + i, left), factor, shift)), left);
            sum = TLanes.Add(sum, Load(scores + i, left));
        }

        float total = TLanes.Sum(sum);
        Scale(scores, 1f / total, valid);
        new Span<float>(scores + valid, padded - valid).Clear();
        return max + MathF.Log(total);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void SoftmaxFromLogSumExp(float* scores, int valid, int padded, float scale, float logSumExp)
    {
        TLanes factor = TLanes.Broadcast(scale);
        TLanes shift = TLanes.Broadcast(-logSumExp);
        for (int i = 0; i < valid; i += Lanes)
        {
            int left = valid - i;
            Store(scores + i, Exp(TLanes.FusedMultiplyAdd(Load(scores + i, left), factor, shift)), left);
        }

        new Span<float>(scores + valid, padded - valid).Clear();
    }

    /// <summary>Replaces the gradient of probabilities by that of the unscaled scores: p·(g − delta)·scale.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void SoftmaxBackward(float* probabilities, float* gradient, int valid, int padded, float scale, float delta)
    {
        TLanes factor = TLanes.Broadcast(scale);
        TLanes shift = TLanes.Broadcast(delta);
        for (int i = 0; i < valid; i += Lanes)
        {
            int left = valid - i;
            TLanes centred = TLanes.Subtract(Load(gradient + i, left), shift);
            Store(gradient + i, TLanes.Multiply(TLanes.Multiply(Load(probabilities + i, left), factor), centred), left);
        }

        new Span<float>(gradient + valid, padded - valid).Clear();
    }

    /// <summary>Replaces logits by (softmax − one-hot of the label)·scale and returns −log p(label).</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override double CrossEntropyRow(float* logits, int vocabulary, int label, float scale)
    {
        float max = Max(logits, vocabulary);
        double shifted = (double)logits[label] - max;
        double total = ExpInPlace(logits, vocabulary, max);
        Scale(logits, (float)(scale / total), vocabulary);
        logits[label] -= scale;
        return Math.Log(total) - shifted;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override double LogProbability(float* logits, int vocabulary, int label)
    {
        float max = Max(logits, vocabulary);
        TLanes shift = TLanes.Broadcast(max);
        float* tail = stackalloc float[Lanes];
        double total = 0;
        for (int block = 0; block < vocabulary; block += SumBlock)
        {
            int end = Math.Min(vocabulary, block + SumBlock);
            TLanes sum = TLanes.Zero;
            int i = block;
            for (; i + Lanes <= end; i += Lanes)
            {
                sum = TLanes.Add(sum, Exp(TLanes.Subtract(TLanes.Load(logits + i), shift)));
            }

            if (i < end)
            {
                // Lanes past the end would add e^−max: they pass through memory, which zeroes them.
                TLanes.Store(tail, Exp(TLanes.Subtract(TLanes.LoadFirst(logits + i, end - i), shift)));
                sum = TLanes.Add(sum, TLanes.LoadFirst(tail, end - i));
            }

            total += TLanes.Sum(sum);
        }

        return (double)logits[label] - max - Math.Log(total);
    }

    private static double ExpInPlace(float* x, int count, float max)
    {
        TLanes shift = TLanes.Broadcast(max);
        double total = 0;
        for (int block = 0; block < count; block += SumBlock)
        {
            int end = Math.Min(count, block + SumBlock);
            TLanes sum = TLanes.Zero;
            for (int i = block; i < end; i += Lanes)
            {
                Store(x + i, Exp(TLanes.Subtract(Load(x + i, end - i), shift)), end - i);
                sum = TLanes.Add(sum, Load(x + i, end - i));
            }

            total += TLanes.Sum(sum);
        }

        return total;
    }

    private static float Max(float* x, int count)
    {
        if (count < Lanes)
        {
            float result = x[0];
            for (int i = 1; i < count; i++)
            {
                result = x[i] > result ? x[i] : result;
            }

            return result;
        }

        // The last vector may overlap the one before: a maximum does not mind.
        TLanes max = TLanes.Load(x + count - Lanes);
        for (int i = 0; i + Lanes <= count; i += Lanes)
        {
            max = TLanes.Max(max, TLanes.Load(x + i));
        }

        return TLanes.MaxAcross(max);
    }
}
