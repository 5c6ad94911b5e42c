using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>The inverse frequencies of rotary embeddings (RoFormer, arXiv 2104.09864), with linear and Llama 3 scaling.</summary>
internal static class RopeFrequencies
{
    /// <summary>The table of cosines and sines for every position of the model's context.</summary>
    public static RopeTable CreateTable(ModelConfig config) => new(config.ContextLength, config.HeadDimension, Inverse(config));

    /// <summary>θ^(−2i/d) for i below d/2, scaled as the configuration says.</summary>
    public static double[] Inverse(ModelConfig config)
    {
        var frequencies = new double[config.HeadDimension / 2];
        for (var i = 0; i < frequencies.Length; i++)
        {
            var plain = Math.Pow(config.RopeTheta, -2.0 * i / config.HeadDimension);
            frequencies[i] = config.RopeScaling is { } llama3 ? Scale(plain, llama3) : plain / config.RopeLinearFactor;
        }

        return frequencies;
    }

    /// <summary>Stretches long wavelengths by the factor, keeps short ones, and blends linearly between.</summary>
    private static double Scale(double frequency, Llama3RopeScaling scaling)
    {
        var turns = scaling.OriginalContext * frequency / (2 * Math.PI);
        if (turns < scaling.LowFrequencyFactor)
        {
            return frequency / scaling.Factor;
        }

        if (turns > scaling.HighFrequencyFactor)
        {
            return frequency;
        }

        var blend = (turns - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return ((1 - blend) * frequency / scaling.Factor) + (blend * frequency);
    }
}
