namespace Gateway.Model.Numerics;

public sealed unsafe partial class Compute
{
    /// <summary>Elements of one partial sum; the same for every thread count, because it decides the order of additions.</summary>
    private const int ElementsPerSum = 16_384;

    /// <summary>Overwrites <paramref name="dgate"/> and <paramref name="dup"/> with the gradients of <see cref="SwiGlu"/>; they may be the same memory as the inputs.</summary>
    public void SwiGluBackward(float* gate, float* up, float* dy, int count, float* dgate, float* dup) =>
        OverRange(count, ElementsPerChunk, new SwiGluBackwardWork(gate, up, dy, dgate, dup));

    /// <summary>y += x.</summary>
    public void Add(float* x, float* y, int count) => OverRange(count, ElementsPerChunk, new AddWork(x, y));

    /// <summary>x *= factor.</summary>
    public void Scale(float* x, float factor, int count) => OverRange(count, ElementsPerChunk, new ScaleWork(x, factor));

    /// <summary>y += factor·x.</summary>
    public void Axpy(float factor, float* x, float* y, int count) => OverRange(count, ElementsPerChunk, new AxpyWork(factor, x, y));

    /// <summary>Σ x², added in one fixed order, for clipping gradients.</summary>
    public double SumOfSquares(float* x, int count)
    {
        int blocks = (int)(((long)count + ElementsPerSum - 1) / ElementsPerSum);
        double* partial = (double*)_results.Reserve(2L * blocks);
        OverRange(blocks, 1, new SumOfSquaresWork(x, count, partial));
        return Total(partial, blocks);
    }

    /// <summary>One step of AdamW (Loshchilov and Hutter 2019) with decoupled weight decay and bias correction.</summary>
    /// <param name="m">First moment, zero before the first step.</param>
    /// <param name="v">Second moment, zero before the first step.</param>
    /// <param name="step">Counts from 1.</param>
    /// <param name="gradientScale">Factor on the gradient: averaging and clipping in one.</param>
    public void AdamW(float* parameter, float* gradient, float* m, float* v, int count, float learningRate, float beta1, float beta2, float epsilon, float weightDecay, int step, float gradientScale)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, 1);
        AdamWStep numbers = AdamWStep.Create(learningRate, beta1, beta2, epsilon, weightDecay, step, gradientScale);
        OverRange(count, ElementsPerChunk, new AdamWWork(parameter, gradient, m, v, numbers));
    }

    private static double Total(double* partial, int count)
    {
        double total = 0;
        for (int i = 0; i < count; i++)
        {
            total += partial[i];
        }

        return total;
    }

    private readonly struct SwiGluWork(float* gate, float* up, float* y) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch) => kernels.SwiGlu(gate + first, up + first, count, y + first);
    }

    private readonly struct SwiGluBackwardWork(float* gate, float* up, float* dy, float* dgate, float* dup) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch) =>
            kernels.SwiGluBackward(gate + first, up + first, dy + first, count, dgate + first, dup + first);
    }

    private readonly struct AddWork(float* x, float* y) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch) => kernels.Add(x + first, y + first, count);
    }

    private readonly struct ScaleWork(float* x, float factor) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch) => kernels.Scale(x + first, factor, count);
    }

    private readonly struct AxpyWork(float factor, float* x, float* y) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch) => kernels.Axpy(factor, x + first, y + first, count);
    }

    private readonly struct SumOfSquaresWork(float* x, int total, double* partial) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch)
        {
            for (int block = first; block < first + count; block++)
            {
                int start = block * ElementsPerSum;
                partial[block] = kernels.SumOfSquares(x + start, Math.Min(ElementsPerSum, total - start));
            }
        }
    }

    private readonly struct AdamWWork(float* parameter, float* gradient, float* m, float* v, AdamWStep step) : IRangeWork
    {
        public void Run(Kernels kernels, int first, int count, Scratch scratch) =>
            kernels.AdamW(parameter + first, gradient + first, m + first, v + first, count, step);
    }
}
