using Gateway.Training.Pretraining;
using Xunit;

namespace Gateway.UnitTests.Training;

public sealed class TokenMixtureTests
{
    private static TokenMixture Create(int seed = 1) => new(
        [
            new TokenStream("long", 0.7, [.. Enumerable.Range(0, 20).Select(d => Enumerable.Range(d * 100, 90).ToArray())]),
            new TokenStream("short", 0.3, [.. Enumerable.Range(0, 50).Select(d => Enumerable.Range(5000 + (d * 10), 7).ToArray())]),
        ],
        seed);

    [Fact]
    public void Streams_keep_their_shares()
    {
        var mixture = Create();
        for (var i = 0; i < 50; i++)
        {
            mixture.Next(256, 64);
        }

        var total = (double)mixture.Emitted.Sum();
        Assert.Equal(0.7, mixture.Emitted[0] / total, 0.01);
    }

    [Fact]
    public void Every_token_with_a_successor_is_a_target_also_across_a_cut()
    {
        var batch = Create().Next(512, 64);
        Assert.Equal(512, batch.Tokens.Length);
        Assert.Equal(512, batch.DocumentStarts[^1]);
        for (var i = 0; i < 512; i++)
        {
            // The fixture's documents count upwards, so the right label is the token plus one.
            Assert.True(batch.Labels[i] == -100 || batch.Labels[i] == batch.Tokens[i] + 1);
        }

        var ends = batch.Labels.Count(label => label == -100);
        Assert.InRange(ends, 1, 80);
        Assert.All(batch.DocumentStarts.Zip(batch.DocumentStarts.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, 1, 64));
    }

    [Fact]
    public void A_resumed_mixture_continues_as_an_uninterrupted_one()
    {
        var uninterrupted = Create();
        var interrupted = Create();
        for (var i = 0; i < 7; i++)
        {
            uninterrupted.Next(300, 64);
            interrupted.Next(300, 64);
        }

        using var stream = new MemoryStream();
        using (var writer = new BinaryWriter(stream, System.Text.Encoding.UTF8, leaveOpen: true))
        {
            interrupted.Save(writer);
        }

        stream.Position = 0;
        var resumed = Create();
        resumed.Load(new BinaryReader(stream));
        for (var i = 0; i < 30; i++)
        {
            Assert.Equal(uninterrupted.Next(300, 64).Tokens, resumed.Next(300, 64).Tokens);
        }
    }

    [Fact]
    public void Another_seed_gives_another_order() => Assert.NotEqual(Create(1).Next(300, 64).Tokens, Create(2).Next(300, 64).Tokens);
}
