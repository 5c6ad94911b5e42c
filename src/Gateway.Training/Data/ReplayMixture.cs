using Gateway.Training.Sft;

namespace Gateway.Training.Data;

/// <summary>
/// Chooses the replay rows of each epoch: always the same number of rows, so that they make up a share of all training
/// tokens, going round through all of them, so that an epoch meets other rows than the one before.
/// </summary>
public sealed class ReplayMixture
{
    private readonly IReadOnlyList<EncodedExample> _replay;

    /// <summary>A mixture for <paramref name="taskTokens"/> tokens of task rows per epoch.</summary>
    public ReplayMixture(IReadOnlyList<EncodedExample> replay, long taskTokens, double share)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(share, 1);
        _replay = replay;
        if (replay.Count > 0)
        {
            var mean = replay.Average(example => example.Ids.Length);
            RowsPerEpoch = (int)Math.Round(taskTokens * share / (1 - share) / mean);
        }
    }

    /// <summary>No replay.</summary>
    public static ReplayMixture None { get; } = new([], 0, 0);

    /// <summary>Replay rows in every epoch.</summary>
    public int RowsPerEpoch { get; }

    /// <summary>The rows of an epoch, counted from 0.</summary>
    public IEnumerable<EncodedExample> Epoch(int epoch)
    {
        for (var i = 0; i < RowsPerEpoch; i++)
        {
            yield return _replay[(int)(((long)epoch * RowsPerEpoch + i) % _replay.Count)];
        }
    }
}
