using Gateway.Training.Sft;

namespace Gateway.Training.Data;

/// <summary>Chooses replay rows so that they make up a share of all training tokens.</summary>
public static class ReplayMixture
{
    /// <summary>
    /// The first rows of <paramref name="replay"/>, repeated in turn when there are too few, up to
    /// share/(1 − share) × <paramref name="taskTokens"/> tokens.
    /// </summary>
    public static IReadOnlyList<EncodedExample> Select(IReadOnlyList<EncodedExample> replay, long taskTokens, double share)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(share, 1);
        var wanted = taskTokens * share / (1 - share);
        var chosen = new List<EncodedExample>();
        var tokens = 0L;
        for (var i = 0; replay.Count > 0; i++)
        {
            // The row that ends nearest to the wanted number of tokens is the last one.
            var row = replay[i % replay.Count];
            if (tokens + (row.Ids.Length / 2.0) > wanted)
            {
                break;
            }

            chosen.Add(row);
            tokens += row.Ids.Length;
        }

        return chosen;
    }
}
