using Gateway.Bench;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Xunit;

namespace Gateway.UnitTests.Host.Bench;

public sealed class ScriptedCheckpointTests
{
    private const int Tokens = 200;

    private static readonly ModelConfig Narrow = BenchShape.S.Config with
    {
        HiddenSize = 320,
        IntermediateSize = 64,
        LayerCount = 3,
        HeadCount = 4,
        KeyValueHeadCount = 2,
        VocabularySize = (2 * Tokens) + 5,
        ContextLength = 1024,
    };

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(150)]
    public void Reply_IsTheScript_WhateverStandsBeforeIt(int visible)
    {
        var folder = Directory.CreateTempSubdirectory("scripted-").FullName;
        try
        {
            ScriptedCheckpoint.Write(folder, Narrow, Tokens);
            using var compute = new Compute(2);
            using var model = Transformer.Load(folder, compute);
            var random = new Random(visible);
            int[] before = [.. Enumerable.Range(0, visible).Select(_ => random.Next(Tokens))];
            int[] script = [.. Enumerable.Range(0, ScriptedCheckpoint.ScriptTokens).Select(_ => random.Next(Tokens))];

            Assert.Equal(script, Greedy(model, ScriptedCheckpoint.Prompt(before, script, Tokens), script.Length));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Write_ForAShapeTooNarrow_IsRefused() =>
        Assert.Throws<ArgumentException>(() => ScriptedCheckpoint.Write(Path.GetTempPath(), Narrow with { HiddenSize = 256 }, Tokens));

    private static int[] Greedy(Transformer model, int[] prompt, int count)
    {
        using var cache = new KvCache(model.Config, 64);
        int[] blocks = [.. Enumerable.Range(0, 64)];
        var logits = new float[model.Config.VocabularySize];
        var (reply, next, position) = (new int[count], prompt, 0);
        for (var i = 0; i < count; i++)
        {
            model.Forward([new SequenceSlice(next, position, blocks, null, LogitRows.Last)], cache, logits);
            position += next.Length;
            reply[i] = logits.AsSpan().IndexOf(logits.Max());
            next = [reply[i]];
        }

        return reply;
    }
}
