using Gateway.Model.Network;

namespace Gateway.Training.Sft;

/// <summary>Turns rendered rows into the network's packed form: documents side by side, nothing predicted across a border.</summary>
public static class SftBatch
{
    /// <summary>
    /// Packs <paramref name="examples"/>. A row's last token predicts nothing, so it is left out; label i is token i+1 where
    /// the mask trains it.
    /// </summary>
    public static TrainingBatch Pack(IReadOnlyList<EncodedExample> examples)
    {
        var rows = 0;
        foreach (var example in examples)
        {
            rows += example.Ids.Length - 1;
        }

        var (tokens, labels, starts) = (new int[rows], new int[rows], new int[examples.Count + 1]);
        var at = 0;
        for (var e = 0; e < examples.Count; e++)
        {
            var (ids, mask) = (examples[e].Ids, examples[e].Mask);
            starts[e] = at;
            for (var i = 0; i + 1 < ids.Length; i++)
            {
                tokens[at] = ids[i];
                labels[at++] = mask[i + 1] ? ids[i + 1] : -100;
            }
        }

        starts[^1] = at;
        return new TrainingBatch(tokens, labels, starts);
    }
}
