using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>
/// A checkpoint that replies with a text hidden in its prompt: the work of a step is that of its shape, and the text is real.
/// Speculation is measured with it, because what random weights say falls into cycles, which are easy to guess.
/// </summary>
/// <remarks>
/// The prompt is: what the reader may see; the script, each token written with its shadow id (token + <see cref="Tokens"/>), so
/// that looking the prompt up finds nothing there; a token to start from. One head of the first layer attends to exactly
/// <see cref="ScriptTokens"/> tokens back: query and key are constants whose rotary phases (Su et al. 2021) agree at that
/// distance only. It copies the code of the shadow token to where the output head reads codes of plain tokens. Everything
/// else is random, computed, and multiplied by zero before it reaches the residual stream.
/// </remarks>
internal static class ScriptedCheckpoint
{
    /// <summary>Ids below this are text; those from here to twice this are their shadows.</summary>
    public const int Tokens = 4096;

    /// <summary>Length of a script.</summary>
    public const int ScriptTokens = 128;

    // The score at the right distance exceeds its neighbours' by 1.08 · Sharpness² / √64 for a base of 10,000: 20.
    private const float Sharpness = 12.2f;
    private const float Gain = 5;

    /// <summary>Writes the checkpoint to <paramref name="folder"/>, which it creates.</summary>
    /// <exception cref="ArgumentException">The shape is too narrow for two codes and a constant, its vocabulary too small, or its head not tied.</exception>
    public static void Write(string folder, ModelConfig config, int tokens = Tokens)
    {
        var code = config.KeyValueWidth;
        if (config.HiddenSize <= 2 * code || config.VocabularySize < 2 * tokens || !config.TiedEmbeddings)
        {
            throw new ArgumentException($"a hidden size above {2 * code}, a vocabulary of {2 * tokens} and a tied head are needed.", nameof(config));
        }

        Directory.CreateDirectory(folder);
        var tensors = new List<TensorToSave>();
        try
        {
            foreach (var expected in ExpectedTensor.All(config))
            {
                var values = new Matrix(expected.Rows, expected.Columns);
                tensors.Add(new TensorToSave(expected.Name, expected.Shape, values));
                Fill(values, expected.Name, config, tokens, (ulong)tensors.Count);
            }

            SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors, SavedType.BF16);
            ModelConfigFile.Write(folder, config, SavedType.BF16);
        }
        finally
        {
            tensors.ForEach(tensor => tensor.Values.Dispose());
        }
    }

    /// <summary>A prompt that makes the model reply with <paramref name="script"/>, which has <see cref="ScriptTokens"/> tokens.</summary>
    /// <param name="visible">Text before it, in which proposals can be looked up.</param>
    /// <param name="script">What to reply.</param>
    /// <param name="tokens">The number of text ids that the checkpoint was written with.</param>
    public static int[] Prompt(ReadOnlySpan<int> visible, ReadOnlySpan<int> script, int tokens = Tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(script.Length, ScriptTokens, nameof(script));
        var prompt = new int[visible.Length + ScriptTokens + 1];
        visible.CopyTo(prompt);
        for (var i = 0; i < ScriptTokens; i++)
        {
            prompt[visible.Length + i] = script[i] + tokens;
        }

        return prompt;
    }

    private static void Fill(Matrix values, string name, ModelConfig config, int tokens, ulong seed)
    {
        var module = name.Split('.')[^2];
        var isFirstLayer = name.StartsWith("model.layers.0.", StringComparison.Ordinal);
        if (module.EndsWith("norm", StringComparison.Ordinal))
        {
            values.Span.Fill(1);
        }
        else if (module == "embed_tokens")
        {
            FillEmbedding(values, config.KeyValueWidth, tokens);
        }
        else if (module == "down_proj" || (module == "o_proj" && !isFirstLayer) || name.EndsWith(".bias", StringComparison.Ordinal))
        {
            values.Span.Clear();
        }
        else if (isFirstLayer && module is "q_proj" or "k_proj")
        {
            FillPhases(values, config, module == "q_proj" ? ScriptTokens : 0);
        }
        else if (isFirstLayer && module is "v_proj")
        {
            for (var i = 0; i < config.KeyValueWidth; i++)
            {
                values.Row(i)[i] = 1;
            }
        }
        else if (module == "o_proj")
        {
            FillOutput(values, config);
        }
        else
        {
            RandomCheckpoint.FillUniform(values.Span, seed);
        }
    }

    /// <summary>Signs at random: plain tokens carry their code where the head reads, shadows where the first layer reads; both carry the constant.</summary>
    private static void FillEmbedding(Matrix values, int code, int tokens)
    {
        var random = new Random(1);
        for (var token = 0; token < tokens; token++)
        {
            Span<float> plain = values.Row(token), shadow = values.Row(token + tokens);
            for (var i = 0; i < code; i++)
            {
                plain[code + i] = shadow[i] = (2 * random.Next(2)) - 1;
            }

            plain[2 * code] = shadow[2 * code] = 1;
        }
    }

    /// <summary>Maps the constant to pairs (cos φ, sin φ) with φ = −ω·distance in every head; pairs lie half a head apart.</summary>
    private static void FillPhases(Matrix values, ModelConfig config, int distance)
    {
        var half = config.HeadDimension / 2;
        var constant = Math.Sqrt(config.HiddenSize / (config.KeyValueWidth + 1.0));
        for (var row = 0; row < values.Rows; row++)
        {
            var place = row % config.HeadDimension;
            var phase = -distance * Math.Pow(config.RopeTheta, -2.0 * (place % half) / config.HeadDimension);
            values.Row(row)[2 * config.KeyValueWidth] = (float)(Sharpness / constant * (place < half ? Math.Cos(phase) : Math.Sin(phase)));
        }
    }

    /// <summary>Brings what the first query head of each key/value head has found to where the output head reads.</summary>
    private static void FillOutput(Matrix values, ModelConfig config)
    {
        var heads = config.HeadCount / config.KeyValueHeadCount;
        for (var i = 0; i < config.KeyValueWidth; i++)
        {
            var column = (i / config.HeadDimension * heads * config.HeadDimension) + (i % config.HeadDimension);
            values.Row(config.KeyValueWidth + i)[column] = Gain;
        }
    }
}
