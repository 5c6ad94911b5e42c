using System.Text;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Text;

namespace Gateway.Training.Pretraining;

/// <summary>
/// Bits per byte of running text: Σ NLL / (ln 2 · UTF-8 bytes), comparable across tokenizers. Each document is scored from an
/// end-of-text token on, in windows of the model's context without overlap, so every token is predicted exactly once.
/// </summary>
public static class BitsPerByte
{
    private const int MaximumRows = 8192;

    /// <summary>Scores <paramref name="documents"/>; every text must be non-empty.</summary>
    public static double Measure(TrainingPass pass, Tokenizer tokenizer, int startToken, int contextLength, IEnumerable<string> documents)
    {
        var (nats, bytes) = (0.0, 0L);
        var (ids, labels, starts) = (new List<int>(), new List<int>(), new List<int> { 0 });
        foreach (var text in documents)
        {
            bytes += Encoding.UTF8.GetByteCount(text);
            var tokens = tokenizer.Encode(text);
            var previous = startToken;
            for (var i = 0; i < tokens.Length; i++)
            {
                if (i > 0 && i % contextLength == 0)
                {
                    starts.Add(ids.Count);
                }

                ids.Add(previous);
                labels.Add(tokens[i]);
                previous = tokens[i];
            }

            starts.Add(ids.Count);
            if (ids.Count >= MaximumRows)
            {
                nats += Flush();
            }
        }

        nats += Flush();
        return nats / (Math.Log(2) * bytes);

        double Flush()
        {
            if (ids.Count == 0)
            {
                return 0;
            }

            var sum = pass.Evaluate(new TrainingBatch([.. ids], [.. labels], [.. starts]), adapter: (LoraWeights?)null);
            ids.Clear();
            labels.Clear();
            starts.Clear();
            starts.Add(0);
            return sum;
        }
    }
}
