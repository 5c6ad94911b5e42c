namespace Gateway.Model.Numerics;

/// <summary>The numbers of one optimizer step that are equal for all parameters.</summary>
/// <param name="StepSize">Learning rate over the bias correction of the first moment.</param>
/// <param name="InverseRootCorrection">One over the square root of the bias correction of the second moment.</param>
/// <param name="Decay">1 − learning rate · weight decay.</param>
internal readonly record struct AdamWStep(float StepSize, float InverseRootCorrection, float Decay, float Beta1, float Beta2, float Epsilon, float GradientScale)
{
    public static AdamWStep Create(float learningRate, float beta1, float beta2, float epsilon, float weightDecay, int step, float gradientScale)
    {
        double correction1 = 1 - Math.Pow(beta1, step);
        double correction2 = 1 - Math.Pow(beta2, step);
        return new AdamWStep(
            (float)(learningRate / correction1),
            (float)(1 / Math.Sqrt(correction2)),
            (float)(1 - ((double)learningRate * weightDecay)),
            beta1,
            beta2,
            epsilon,
            gradientScale);
    }
}
