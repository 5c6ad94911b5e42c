using Gateway.Model.Lora;
using Gateway.Model.Network;

namespace Gateway.UnitTests.Model.Network;

/// <summary>Runs single sequences through a model the way the engine would.</summary>
internal static class Sequences
{
    /// <summary>Blocks first, first+step, … enough for a number of tokens.</summary>
    public static int[] Blocks(int tokens, int first = 0, int step = 1)
        => [.. Enumerable.Range(0, (tokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens).Select(i => first + (i * step))];

    /// <summary>Logits of every position, prefilled in chunks of the given sizes (the last size repeats).</summary>
    public static float[] AllLogits(Transformer model, int[] tokens, LoraWeights? adapter, params int[] chunks)
    {
        using var cache = new KvCache(model.Config, Blocks(tokens.Length).Length);
        var logits = new float[tokens.Length * model.Config.VocabularySize];
        var start = 0;
        for (var i = 0; start < tokens.Length; i++)
        {
            var size = chunks.Length == 0 ? tokens.Length : Math.Min(chunks[Math.Min(i, chunks.Length - 1)], tokens.Length - start);
            var slice = new SequenceSlice(tokens.AsMemory(start, size), start, Blocks(tokens.Length), adapter, LogitRows.All);
            model.Forward([slice], cache, logits.AsSpan(start * model.Config.VocabularySize));
            start += size;
        }

        return logits;
    }

    /// <summary>Greedy continuation of a prompt, decoded token by token.</summary>
    public static int[] Greedy(Transformer model, int[] prompt, int count, LoraWeights? adapter)
    {
        using var cache = new KvCache(model.Config, Blocks(prompt.Length + count).Length);
        var logits = new float[model.Config.VocabularySize];
        var next = prompt;
        var start = 0;
        var output = new int[count];
        for (var i = 0; i < count; i++)
        {
            model.Forward([new SequenceSlice(next, start, Blocks(prompt.Length + count), adapter, LogitRows.Last)], cache, logits);
            start += next.Length;
            output[i] = Array.IndexOf(logits, logits.Max());
            next = [output[i]];
        }

        return output;
    }
}
