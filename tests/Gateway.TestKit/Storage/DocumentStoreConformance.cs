using System.Globalization;
using Gateway.Domain.Storage;
using Xunit;

namespace Gateway.TestKit.Storage;

/// <summary>What every <see cref="IDocumentStore"/> promises.</summary>
public abstract class DocumentStoreConformance : StoreConformance
{
    [Fact]
    public async Task Get_UnknownDocument_IsNull() => Assert.Null(await Documents.GetAsync("c", "nothing", Token));

    [Fact]
    public async Task Commit_NewDocument_IsReadBackWithVersionOne()
    {
        Assert.True(await CommitAsync(Put("c", "k", 0, """{"a":1}""")));
        var document = await Documents.GetAsync("c", "k", Token);
        Assert.Equal(("c", "k", 1L), (document!.Collection, document.Key, document.Version));
        Assert.Equal("""{"a":1}""", await TextAsync("c", "k"));
        Assert.Null(await Documents.GetAsync("d", "k", Token));
    }

    [Fact]
    public async Task Versions_CountOneByOne_WithAndWithoutExpectation()
    {
        Assert.True(await CommitAsync(Put("c", "k", null, "1")));
        Assert.True(await CommitAsync(Put("c", "k", 1, "2")));
        Assert.True(await CommitAsync(Put("c", "k", null, "3")));
        Assert.Equal(3, (await Documents.GetAsync("c", "k", Token))!.Version);
        Assert.Equal("3", await TextAsync("c", "k"));
    }

    [Theory]
    [InlineData(0L)]
    [InlineData(2L)]
    public async Task Commit_WrongExpectation_ChangesNothingAndNamesTheWrite(long expected)
    {
        await CommitAsync(Put("c", "k", 0, "old"));
        var conflicting = Put("c", "k", expected, "new");
        var result = await Documents.CommitAsync([Put("c", "other", 0, "x"), conflicting, Put("c", "third", 0, "y")], Token);
        Assert.False(result.Committed);
        Assert.Equal(conflicting, result.Conflict);
        Assert.Equal("old", await TextAsync("c", "k"));
        Assert.Equal(["k"], await KeysAsync("c", ""));
    }

    [Fact]
    public async Task Commit_ExpectedVersionOfMissingDocument_Conflicts() => Assert.False(await CommitAsync(Put("c", "missing", 1, "x")));

    [Fact]
    public async Task Commit_SeveralCollections_AllAtOnce()
    {
        Assert.True(await CommitAsync(Put("a", "k", 0, "1"), Put("b", "k", 0, "2"), Put("c", "k", 0, "3")));
        var texts = new List<string?> { await TextAsync("a", "k"), await TextAsync("b", "k"), await TextAsync("c", "k") };
        Assert.Equal(["1", "2", "3"], texts);
    }

    [Fact]
    public async Task Commit_NoWrites_IsCommitted() => Assert.True(await CommitAsync());

    [Fact]
    public async Task Commit_SameKeyTwice_IsMisuse() =>
        await Assert.ThrowsAsync<ArgumentException>(() => CommitAsync(Put("c", "k", null, "1"), Put("c", "k", null, "2")));

    [Fact]
    public async Task Delete_RemovesAndAllowsANewStart()
    {
        await CommitAsync(Put("c", "k", 0, "1"));
        Assert.False(await CommitAsync(Delete("c", "k", 2)));
        Assert.True(await CommitAsync(Delete("c", "k", 1)));
        Assert.Null(await Documents.GetAsync("c", "k", Token));
        Assert.Empty(await KeysAsync("c", ""));
        Assert.True(await CommitAsync(Delete("c", "k", null)));
        Assert.True(await CommitAsync(Put("c", "k", 0, "2")));
        Assert.Equal(1, (await Documents.GetAsync("c", "k", Token))!.Version);
    }

    [Fact]
    public async Task List_IsInOrdinalOrderAndByPrefix()
    {
        string[] keys = ["a/2", "a/10", "B", "a/1", "ab", "a", "é", "z", "\uE000", "𝔘", "a*", "a[1]"];
        foreach (var key in keys)
        {
            await CommitAsync(Put("c", key, 0, "{}"));
        }

        await CommitAsync(Put("d", "a/3", 0, "{}"));
        Assert.Equal(keys.Order(StringComparer.Ordinal), await KeysAsync("c", ""));
        Assert.Equal(["a/1", "a/10", "a/2"], await KeysAsync("c", "a/"));
        Assert.Equal(["a*"], await KeysAsync("c", "a*"));
        Assert.Empty(await KeysAsync("c", "x"));
        Assert.Empty(await KeysAsync("unknown", ""));
    }

    [Fact]
    public async Task List_ManyDocuments_GivesEveryOneWithItsContent()
    {
        var writes = Enumerable.Range(0, 700).Select(i => Put("c", $"k{i:D4}", 0, $"{i}")).ToArray();
        Assert.True(await CommitAsync(writes));
        var listed = await Documents.ListAsync("c", "k", Token).ToListAsync(Token);
        Assert.Equal(writes.Select(write => write.Key), listed.Select(document => document.Key));
        Assert.All(listed, (document, i) => Assert.True(document.Json.Span.SequenceEqual(writes[i].Json!.Value.Span)));
    }

    [Fact]
    public async Task Values_BigAndUnicode_ComeBackExactly()
    {
        var big = new byte[1 << 20];
        new Random(1).NextBytes(big);
        Assert.True((await Documents.CommitAsync([new DocumentWrite("c", "schlüssel/鍵/🔑", 0, big)], Token)).Committed);
        await ReopenAsync();
        Assert.True((await Documents.GetAsync("c", "schlüssel/鍵/🔑", Token))!.Json.Span.SequenceEqual(big));
    }

    [Fact]
    public async Task Commit_CallerChangesItsBufferAfterwards_DoesNotChangeTheDocument()
    {
        var buffer = "before"u8.ToArray();
        await Documents.CommitAsync([new DocumentWrite("c", "k", 0, buffer)], Token);
        "xxxxxx"u8.CopyTo(buffer);
        Assert.Equal("before", await TextAsync("c", "k"));
    }

    [Fact]
    public async Task ParallelWriters_LoseNoUpdate()
    {
        const int Writers = 16, Increments = 20;
        await CommitAsync(Put("c", "counter", 0, "0"));
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(async () =>
        {
            for (var done = 0; done < Increments;)
            {
                var current = await Documents.GetAsync("c", "counter", Token);
                var value = int.Parse(current!.Json.Span, CultureInfo.InvariantCulture);
                if (await CommitAsync(Put("c", "counter", current.Version, $"{value + 1}")))
                {
                    done++;
                }
            }
        })));
        Assert.Equal($"{Writers * Increments}", await TextAsync("c", "counter"));
        Assert.Equal(Writers * Increments + 1, (await Documents.GetAsync("c", "counter", Token))!.Version);
    }

    [Fact]
    public async Task ParallelCreators_OfOneKey_HaveOneWinner()
    {
        var won = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => CommitAsync(Put("c", "once", 0, $"{i}"), Put("c", $"mine{i}", 0, "x"))));
        Assert.Single(won, true);
        Assert.Single(await KeysAsync("c", "mine"));
    }

    [Fact]
    public async Task Reopen_KeepsDocumentsVersionsAndDeletions()
    {
        await CommitAsync(Put("c", "kept", 0, "1"), Put("c", "gone", 0, "1"));
        await CommitAsync(Put("c", "kept", 1, "2"), Delete("c", "gone", 1));
        await ReopenAsync();
        Assert.Equal(["kept"], await KeysAsync("c", ""));
        Assert.Equal(2, (await Documents.GetAsync("c", "kept", Token))!.Version);
        Assert.Equal("2", await TextAsync("c", "kept"));
    }

    [Fact]
    public async Task Watch_TellsEveryChangeAfterTheCall()
    {
        await CommitAsync(Put("c", "before", 0, "1"));
        var changes = Documents.WatchAsync(Token);
        await CommitAsync(Put("c", "k", 0, "1"), Put("d", "ключ", 0, "1"));
        await CommitAsync(Put("c", "k", 0, "conflict"));
        await CommitAsync(Delete("c", "k", 1));
        Assert.Equal(
            [new("c", "k"), new("d", "ключ"), new("c", "k")],
            await changes.Where(change => change.Key != "before").Take(3).ToListAsync(Token)); // news of an earlier change may still be under way
    }

    [Fact]
    public async Task Watch_SeveralWatchers_SeeTheSame()
    {
        var watches = Enumerable.Range(0, 3).Select(_ => Documents.WatchAsync(Token)).ToList();
        await CommitAsync(Put("c", "k", 0, "1"));
        foreach (var watch in watches)
        {
            Assert.Equal(new DocumentChange("c", "k"), await watch.FirstAsync(Token));
        }
    }
}
