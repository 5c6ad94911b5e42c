using Gateway.Model.Lora;
using Gateway.Model.Network;
using Xunit;

namespace Gateway.UnitTests.Engine;

public sealed class MixedBatchTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private static readonly int[] Prompt = [.. Enumerable.Range(10, 37)];

    /// <summary>Base and three adapters in one pass, the prompt in one piece or in chunks: the logits are the same bits as alone.</summary>
    [Theory]
    [InlineData(37)]
    [InlineData(16)]
    [InlineData(5)]
    [InlineData(1)]
    public void Forward_BaseAndThreeAdaptersTogether_GivesTheLogitsOfEachAlone(int chunk)
    {
        var adapters = Enumerable.Range(0, 3).Select(i => PeftFile.Load(fixture.Model.WriteAdapter(i, rank: 2 + i), fixture.Model.Config, new AdapterLimits())).ToList();
        LoraWeights?[] rows = [null, .. adapters];
        using var cache = new KvCache(fixture.Model.Config, 16);

        var together = Logits(rows, cache, chunk);

        for (var i = 0; i < rows.Length; i++)
        {
            Assert.Equal(Logits([rows[i]], cache, Prompt.Length)[0], together[i]);
        }

        Assert.Equal(4, together.Select(logits => logits[0]).Distinct().Count());
        adapters.ForEach(adapter => adapter.Dispose());
    }

    private List<float[]> Logits(LoraWeights?[] adapters, KvCache cache, int chunk)
    {
        var vocabulary = fixture.Model.Config.VocabularySize;
        var logits = new float[adapters.Length * vocabulary];
        for (var start = 0; start < Prompt.Length; start += chunk)
        {
            var tokens = Prompt.AsMemory(start, Math.Min(chunk, Prompt.Length - start));
            var last = start + tokens.Length == Prompt.Length;
            var slices = adapters.Select((adapter, i) => new SequenceSlice(
                tokens, start, new[] { 3 * i, (3 * i) + 1, (3 * i) + 2 }, adapter, last ? LogitRows.Last : LogitRows.None)).ToArray();
            fixture.Transformer.Forward(slices, cache, logits);
        }

        return [.. logits.Chunk(vocabulary)];
    }
}
