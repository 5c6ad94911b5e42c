using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>Writes a checkpoint of random weights: bf16 safetensors with a config.json, the same bytes for the same seed.</summary>
internal static class RandomCheckpoint
{
    // Standard deviation 0.02, as checkpoints are initialised: activations stay in the range of a trained network.
    private const float Bound = 0.0346f;

    /// <summary>Writes the checkpoint to <paramref name="folder"/>, which it creates.</summary>
    public static void Write(string folder, ModelConfig config, ulong seed)
    {
        Directory.CreateDirectory(folder);
        var tensors = new List<TensorToSave>();
        try
        {
            foreach (var expected in ExpectedTensor.All(config))
            {
                var values = new Matrix(expected.Rows, expected.Columns);
                tensors.Add(new TensorToSave(expected.Name, expected.Shape, values));
                if (expected.Name.EndsWith("norm.weight", StringComparison.Ordinal))
                {
                    values.Span.Fill(1);
                }
                else
                {
                    FillUniform(values.Span, seed + (ulong)tensors.Count);
                }
            }

            SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors, SavedType.BF16);
            ModelConfigFile.Write(folder, config, SavedType.BF16);
        }
        finally
        {
            tensors.ForEach(tensor => tensor.Values.Dispose());
        }
    }

    /// <summary>Uniform values around 0 from a multiplicative generator (Steele and Vigna 2021): fast, and good enough for weights.</summary>
    public static void FillUniform(Span<float> values, ulong seed, float bound = Bound)
    {
        var state = (seed * 2) + 1;
        for (var i = 0; i < values.Length; i++)
        {
            state *= 0xF1357AEA2E62A9C5;
            values[i] = bound * ((int)(state >> 32) / 2147483648f);
        }
    }
}
