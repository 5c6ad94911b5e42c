using Gateway.Training.Data;

namespace Gateway.Training.Sft;

/// <summary>A rendered row: token ids and, per token, whether it is a target (assistant text and end of turn).</summary>
public sealed record EncodedExample(string Id, ExampleKind Kind, double Weight, int[] Ids, bool[] Mask)
{
    /// <summary>Number of targets; the first token has no predictor and never counts.</summary>
    public int TargetCount
    {
        get
        {
            var count = 0;
            for (var i = 1; i < Mask.Length; i++)
            {
                count += Mask[i] ? 1 : 0;
            }

            return count;
        }
    }
}
