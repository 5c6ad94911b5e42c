using System.Runtime.CompilerServices;

namespace Gateway.Model.Numerics;

internal abstract unsafe partial class LaneKernels<TLanes>
{
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void Add(float* x, float* y, int count)
    {
        for (int i = 0; i < count; i += Lanes)
        {
            Store(y + i, TLanes.Add(Load(y + i, count - i), Load(x + i, count - i)), count - i);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void Scale(float* x, float factor, int count)
    {
        TLanes factors = TLanes.Broadcast(factor);
        for (int i = 0; i < count; i += Lanes)
        {
            Store(x + i, TLanes.Multiply(Load(x + i, count - i), factors), count - i);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void Axpy(float factor, float* x, float* y, int count)
    {
        TLanes factors = TLanes.Broadcast(factor);
        for (int i = 0; i < count; i += Lanes)
        {
            Store(y + i, TLanes.FusedMultiplyAdd(factors, Load(x + i, count - i), Load(y + i, count - i)), count - i);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void SwiGlu(float* gate, float* up, int count, float* y)
    {
        for (int i = 0; i < count; i += Lanes)
        {
            TLanes g = Load(gate + i, count - i);
            TLanes silu = TLanes.Multiply(g, Sigmoid(g));
            Store(y + i, TLanes.Multiply(silu, Load(up + i, count - i)), count - i);
        }
    }

    // silu'(g) = σ(g)·(1 + g·(1 − σ(g))).
    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void SwiGluBackward(float* gate, float* up, float* dy, int count, float* dgate, float* dup)
    {
        TLanes one = TLanes.Broadcast(1f);
        for (int i = 0; i < count; i += Lanes)
        {
            int left = count - i;
            TLanes g = Load(gate + i, left);
            TLanes d = Load(dy + i, left);
            TLanes u = Load(up + i, left);
            TLanes sigmoid = Sigmoid(g);
            TLanes slope = TLanes.Multiply(sigmoid, TLanes.FusedMultiplyAdd(g, TLanes.Subtract(one, sigmoid), one));
            Store(dup + i, TLanes.Multiply(d, TLanes.Multiply(g, sigmoid)), left);
            Store(dgate + i, TLanes.Multiply(TLanes.Multiply(d, u), slope), left);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal override void AdamW(float* parameter, float* gradient, float* m, float* v, int count, in AdamWStep step)
    {
        TLanes beta1 = TLanes.Broadcast(step.Beta1);
        TLanes beta2 = TLanes.Broadcast(step.Beta2);
        TLanes rest1 = TLanes.Broadcast(1f - step.Beta1);
        TLanes rest2 = TLanes.Broadcast(1f - step.Beta2);
        TLanes gradientScale = TLanes.Broadcast(step.GradientScale);
        TLanes correction = TLanes.Broadcast(step.InverseRootCorrection);
        TLanes epsilon = TLanes.Broadcast(step.Epsilon);
        TLanes stepSize = TLanes.Broadcast(-step.StepSize);
        TLanes decay = TLanes.Broadcast(step.Decay);
        for (int i = 0; i < count; i += Lanes)
        {
            int left = count - i;
            TLanes g = TLanes.Multiply(Load(gradient + i, left), gradientScale);
            TLanes first = TLanes.FusedMultiplyAdd(beta1, Load(m + i, left), TLanes.Multiply(rest1, g));
            TLanes second = TLanes.FusedMultiplyAdd(beta2, Load(v + i, left), TLanes.Multiply(rest2, TLanes.Multiply(g, g)));
            TLanes denominator = TLanes.FusedMultiplyAdd(TLanes.SquareRoot(second), correction, epsilon);
            TLanes decayed = TLanes.Multiply(Load(parameter + i, left), decay);
            Store(m + i, first, left);
            Store(v + i, second, left);
            Store(parameter + i, TLanes.FusedMultiplyAdd(stepSize, TLanes.Divide(first, denominator), decayed), left);
        }
    }
}
