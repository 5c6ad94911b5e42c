using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Gateway.Model.Weights;

/// <summary>The identity of a base model: SHA-256 over its canonical configuration and the digests of its tensors.</summary>
internal static class ModelFingerprint
{
    /// <summary>Hashes the configuration and the tensors, which must come sorted by name.</summary>
    public static string Compute(ModelConfig config, IEnumerable<(TensorEntry Entry, byte[] Digest)> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(CanonicalConfig(config)));
        foreach (var (entry, digest) in tensors)
        {
            // Names cannot contain a line feed unescaped in the header's JSON form, so the lines are unambiguous.
            var line = $"\n{JsonEncodedText.Encode(entry.Name)} {entry.Type} {entry.ShapeText} {Convert.ToHexStringLower(digest)}";
            hash.AppendData(Encoding.UTF8.GetBytes(line));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The fields that change the maths, as <c>key=value</c> lines in ordinal order of the keys.</summary>
    private static string CanonicalConfig(ModelConfig config)
    {
        static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);
        var llama3 = config.RopeScaling is { } scaling
            ? $"{Number(scaling.Factor)},{Number(scaling.LowFrequencyFactor)},{Number(scaling.HighFrequencyFactor)},{scaling.OriginalContext}"
            : "none";
        return string.Create(CultureInfo.InvariantCulture, $"""
            context_length={config.ContextLength}
            head_count={config.HeadCount}
            head_dimension={config.HeadDimension}
            hidden_size={config.HiddenSize}
            intermediate_size={config.IntermediateSize}
            key_value_head_count={config.KeyValueHeadCount}
            layer_count={config.LayerCount}
            output_bias={config.OutputBias}
            query_key_norm={config.QueryKeyNorm}
            query_key_value_bias={config.QueryKeyValueBias}
            rms_norm_epsilon={Number(config.RmsNormEpsilon)}
            rope_linear_factor={Number(config.RopeLinearFactor)}
            rope_llama3={llama3}
            rope_theta={Number(config.RopeTheta)}
            tied_embeddings={config.TiedEmbeddings}
            vocabulary_size={config.VocabularySize}
            """);
    }
}
