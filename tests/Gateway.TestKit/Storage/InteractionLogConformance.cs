using System.Text.Json;
using Gateway.Domain.Json;
using Gateway.Domain.Storage;
using Xunit;

namespace Gateway.TestKit.Storage;

/// <summary>What every <see cref="IInteractionLog"/> promises.</summary>
public abstract class InteractionLogConformance : StoreConformance
{
    [Fact]
    public async Task Get_UnknownId_IsNull() => Assert.Null(await Interactions.GetAsync("chatcmpl-nothing", Token));

    [Fact]
    public async Task Append_AfterFlush_IsReadBackWhole()
    {
        var interaction = MakeInteraction("chatcmpl-é1", flagged: true);
        await Interactions.AppendAsync(interaction, Token);
        await Interactions.FlushAsync(Token);
        var read = await Interactions.GetAsync("chatcmpl-é1", Token);
        Assert.Equal(
            JsonSerializer.Serialize(interaction, DomainJson.Default.Interaction),
            JsonSerializer.Serialize(read!, DomainJson.Default.Interaction));
    }

    [Fact]
    public async Task Flush_WithNothingAppended_Completes() => await Interactions.FlushAsync(Token);

    [Fact]
    public async Task Read_GivesAppendOrderAndContinuesAfterASequence()
    {
        await AppendAsync(600);
        var all = await Interactions.ReadAsync(0, Token).ToListAsync(Token);
        Assert.Equal(Enumerable.Range(0, 600).Select(i => $"i{i}"), all.Select(logged => logged.Interaction.Id));
        Assert.True(all[0].Sequence > 0);
        Assert.All(all.Zip(all.Skip(1)), pair => Assert.True(pair.First.Sequence < pair.Second.Sequence));
        var rest = await Interactions.ReadAsync(all[299].Sequence, Token).ToListAsync(Token);
        Assert.Equal("i300", rest[0].Interaction.Id);
        Assert.Equal(300, rest.Count);
        Assert.Empty(await Interactions.ReadAsync(all[^1].Sequence, Token).ToListAsync(Token));
    }

    [Fact]
    public async Task Read_EndsAtTheEndOfTheLogAsItWas()
    {
        await AppendAsync(3);
        var seen = new List<string>();
        await foreach (var logged in Interactions.ReadAsync(0, Token))
        {
            seen.Add(logged.Interaction.Id);
            await Interactions.AppendAsync(MakeInteraction($"later{seen.Count}"), Token);
            await Interactions.FlushAsync(Token);
        }

        Assert.Equal(["i0", "i1", "i2"], seen);
    }

    [Fact]
    public async Task List_PagesNewestFirst()
    {
        await AppendAsync(25);
        var pages = new List<string[]>();
        for (long? before = null; ;)
        {
            var page = await Interactions.ListAsync(new InteractionQuery { Limit = 10, Before = before }, Token);
            if (page.Count == 0)
            {
                break;
            }

            pages.Add([.. page.Select(logged => logged.Interaction.Id)]);
            before = page[^1].Sequence;
        }

        Assert.Equal([10, 10, 5], pages.Select(page => page.Length));
        Assert.Equal(Enumerable.Range(0, 25).Reverse().Select(i => $"i{i}"), pages.SelectMany(page => page));
    }

    [Fact]
    public async Task List_FiltersByDeploymentAndFlag()
    {
        await Interactions.AppendAsync(MakeInteraction("1", "a"), Token);
        await Interactions.AppendAsync(MakeInteraction("2", "a", flagged: true), Token);
        await Interactions.AppendAsync(MakeInteraction("3", "b", flagged: true), Token);
        await Interactions.AppendAsync(MakeInteraction("4", "ä:*"), Token);
        await Interactions.AppendAsync(MakeInteraction("5", "a", flagged: true), Token);
        await Interactions.FlushAsync(Token);
        Assert.Equal(["5", "2", "1"], await IdsAsync(new() { Deployment = "a" }));
        Assert.Equal(["5", "3", "2"], await IdsAsync(new() { FlaggedOnly = true }));
        Assert.Equal(["5", "2"], await IdsAsync(new() { Deployment = "a", FlaggedOnly = true }));
        Assert.Equal(["5"], await IdsAsync(new() { Deployment = "a", FlaggedOnly = true, Limit = 1 }));
        Assert.Equal(["4"], await IdsAsync(new() { Deployment = "ä:*" }));
        Assert.Empty(await IdsAsync(new() { Deployment = "c" }));
        await ReopenAsync();
        Assert.Equal(["5", "2"], await IdsAsync(new() { Deployment = "a", FlaggedOnly = true }));
    }

    [Fact]
    public async Task Append_SameIdAgain_KeepsTheFirst()
    {
        await Interactions.AppendAsync(MakeInteraction("1", reply: "first"), Token);
        await Interactions.AppendAsync(MakeInteraction("1", reply: "second"), Token);
        await Interactions.FlushAsync(Token);
        await Interactions.AppendAsync(MakeInteraction("1", reply: "third"), Token);
        await Interactions.FlushAsync(Token);
        Assert.Equal("first", (await Interactions.GetAsync("1", Token))!.Reply);
        Assert.Single(await IdsAsync(new()));
    }

    [Fact]
    public async Task Append_ManyAtOnce_KeepsEveryOneAndTheOrderOfEachCaller()
    {
        const int Callers = 16, Each = 100;
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
        {
            for (var i = 0; i < Each; i++)
            {
                await Interactions.AppendAsync(MakeInteraction($"{caller}-{i:D3}"), Token);
            }
        })));
        await Interactions.FlushAsync(Token);
        var ids = await Interactions.ReadAsync(0, Token).Select(logged => logged.Interaction.Id).ToListAsync(Token);
        Assert.Equal(Callers * Each, ids.Distinct().Count());
        Assert.All(Enumerable.Range(0, Callers), caller =>
        {
            var own = ids.Where(id => id.StartsWith($"{caller}-", StringComparison.Ordinal)).ToList();
            Assert.Equal(own.Order(StringComparer.Ordinal), own);
        });
    }

    [Fact]
    public async Task Append_OneMegabyteReply_SurvivesReopen()
    {
        var reply = string.Concat(Enumerable.Repeat("ö0123456789abcde", 1 << 16));
        await Interactions.AppendAsync(MakeInteraction("big", reply: reply), Token);
        await Interactions.FlushAsync(Token);
        await ReopenAsync();
        Assert.Equal(reply, (await Interactions.GetAsync("big", Token))!.Reply);
    }

    [Fact]
    public async Task Reopen_WithoutFlush_KeepsWhatWasAcceptedAndContinuesTheSequence()
    {
        await Interactions.AppendAsync(MakeInteraction("1"), Token);
        await ReopenAsync();
        await Interactions.AppendAsync(MakeInteraction("2"), Token);
        await Interactions.FlushAsync(Token);
        var all = await Interactions.ReadAsync(0, Token).ToListAsync(Token);
        Assert.Equal(["1", "2"], all.Select(logged => logged.Interaction.Id));
        Assert.True(all[0].Sequence < all[1].Sequence);
    }

    [Fact]
    public async Task List_FiltersByUser()
    {
        await Interactions.AppendAsync(MakeInteraction("1", "a") with { User = "ann" }, Token);
        await Interactions.AppendAsync(MakeInteraction("2", "a") with { User = "bob" }, Token);
        await Interactions.AppendAsync(MakeInteraction("3", "b", flagged: true) with { User = "ann" }, Token);
        await Interactions.AppendAsync(MakeInteraction("4", "b"), Token);
        await Interactions.FlushAsync(Token);
        await ReopenAsync();
        Assert.Equal(["3", "1"], await IdsAsync(new() { User = "ann" }));
        Assert.Equal(["3"], await IdsAsync(new() { User = "ann", FlaggedOnly = true }));
        Assert.Equal(["1"], await IdsAsync(new() { User = "ann", Deployment = "a" }));
        Assert.Equal(["3"], await IdsAsync(new() { User = "ann", Limit = 1 }));
        Assert.Empty(await IdsAsync(new() { User = "nobody" }));
    }

    [Fact]
    public async Task Erase_TakesEntriesOutForGood_AndLeavesTheOthers()
    {
        await AppendAsync(20);
        var odd = (await Interactions.ReadAsync(0, Token).ToListAsync(Token))
            .Where((_, i) => i % 2 == 1).Select(logged => logged.Interaction).ToList();
        Assert.Equal(10, await Interactions.EraseAsync(odd, Token));
        Assert.Equal(0, await Interactions.EraseAsync(odd, Token));
        await AssertOnlyEvenAsync();
        await ReopenAsync();
        await AssertOnlyEvenAsync();

        // An erased id can come again, and the sequence goes on.
        await Interactions.AppendAsync(MakeInteraction("after"), Token);
        await Interactions.FlushAsync(Token);
        Assert.Equal("after", (await IdsAsync(new() { Limit = 1 })).Single());

        async Task AssertOnlyEvenAsync()
        {
            Assert.Null(await Interactions.GetAsync("i1", Token));
            Assert.NotNull(await Interactions.GetAsync("i2", Token));
            var expected = Enumerable.Range(0, 10).Select(i => $"i{2 * i}").ToList();
            Assert.Equal(expected, (await Interactions.ReadAsync(0, Token).ToListAsync(Token)).Select(logged => logged.Interaction.Id));
            Assert.Equal(expected.AsEnumerable().Reverse(), await IdsAsync(new()));
        }
    }

    private async Task AppendAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            await Interactions.AppendAsync(MakeInteraction($"i{i}"), Token);
        }

        await Interactions.FlushAsync(Token);
    }

    private async Task<string[]> IdsAsync(InteractionQuery query) =>
        [.. (await Interactions.ListAsync(query, Token)).Select(logged => logged.Interaction.Id)];
}
