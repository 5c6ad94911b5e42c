using System.Text;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Storage.Files;
using Gateway.TestKit;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class FilesErasureTests : IDisposable
{
    private readonly TemporaryFolder folder = TestData.CreateFolder();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string LogPath => Path.Combine(folder.Path, "interactions.log");

    private string SnapshotPath => LogPath + ".index";

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Erased_ContentIsInNoFileOfTheFolder_AndTheRestIsReadable()
    {
        await using (var store = Open())
        {
            await AppendAsync(store, 0, 50);
            Assert.Contains("remark-7.", await ReadFilesAsync(), StringComparison.Ordinal);
            Assert.Equal(1, await store.EraseAsync([(await store.GetAsync("i7", Token))!], Token));
            Assert.DoesNotContain("remark-7.", await ReadFilesAsync(), StringComparison.Ordinal);
        }

        Assert.DoesNotContain("remark-7.", await ReadFilesAsync(), StringComparison.Ordinal);
        await using var again = Open();
        Assert.Null(await again.GetAsync("i7", Token));
        Assert.Equal("remark-8.", (await again.GetAsync("i8", Token))!.Reply);
        Assert.Equal(49, await again.ReadAsync(0, Token).CountAsync(Token));
    }

    [Fact]
    public async Task Erase_CutShortAtAnyRecord_IsFinishedAtTheNextStart()
    {
        long[] addresses;
        await using (var store = Open())
        {
            await AppendAsync(store, 0, 10);
        }

        addresses = Addresses();
        var before = await File.ReadAllBytesAsync(LogPath, Token);
        using (var log = LogFile.Open(LogPath, (_, _) => { }, TimeProvider.System, NullLogger.Instance))
        {
            log.Erase([addresses[2], addresses[5]]);
        }

        // As a kill leaves it: the journal is there, one record is overwritten by half, the other not at all.
        var journal = new RecordWriter().Int64(addresses[2]).Int64(addresses[5]).Written;
        var frame = new byte[LogFrame.HeaderSize + journal.Length];
        LogFrame.Write(frame, journal.Span, 0);
        var torn = before.ToArray();
        torn.AsSpan((int)addresses[2] + LogFrame.HeaderSize + 60, 100).Clear();
        await File.WriteAllBytesAsync(LogPath, torn, Token);
        await File.WriteAllBytesAsync(LogPath + ".erase", frame, Token);
        File.Delete(SnapshotPath);

        await using var again = Open();
        Assert.False(File.Exists(LogPath + ".erase"));
        Assert.DoesNotContain("remark-2.", await ReadFilesAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain("remark-5.", await ReadFilesAsync(), StringComparison.Ordinal);
        Assert.Equal("remark-3.", (await again.GetAsync("i3", Token))!.Reply);
    }

    [Fact]
    public async Task Erase_JournalThatIsNotWhole_WasNeverActedOn()
    {
        await using (var store = Open())
        {
            await AppendAsync(store, 0, 3);
        }

        await File.WriteAllBytesAsync(LogPath + ".erase", [1, 2, 3], Token);
        await using var again = Open();
        Assert.Equal(3, await again.ReadAsync(0, Token).CountAsync(Token));
        Assert.False(File.Exists(LogPath + ".erase"));
    }

    [Fact]
    public async Task Erase_MoreThanHalf_GivesTheSpaceBack()
    {
        await using (var store = Open(threshold: 1000))
        {
            await AppendAsync(store, 0, 200);
            var whole = new FileInfo(LogPath).Length;
            var erased = (await store.ListAsync(new InteractionQuery { Limit = 150 }, Token)).Select(logged => logged.Interaction).ToList();
            Assert.Equal(150, await store.EraseAsync(erased, Token));
            Assert.InRange(new FileInfo(LogPath).Length, 1000, whole / 2);
            Assert.Equal("remark-49.", (await store.GetAsync("i49", Token))!.Reply);
            await AppendAsync(store, 200, 201);
        }

        await using var again = Open();
        var left = await again.ReadAsync(0, Token).ToListAsync(Token);
        Assert.Equal([.. Enumerable.Range(0, 50), 200], left.Select(logged => int.Parse(logged.Interaction.Id[1..])));
        Assert.Equal(201, left[^1].Sequence);
    }

    [Fact]
    public async Task Snapshot_IsUsed_AndWhatFollowsItIsReadFromTheLog()
    {
        await using (var store = Open())
        {
            await AppendAsync(store, 0, 20);
        }

        var snapshot = await File.ReadAllBytesAsync(SnapshotPath, Token);
        await using (var store = Open())
        {
            await AppendAsync(store, 20, 30);
        }

        // As a kill leaves it: the older snapshot, and a record that only a reader of the whole log would stumble over.
        await File.WriteAllBytesAsync(SnapshotPath, snapshot, Token);
        var log = await File.ReadAllBytesAsync(LogPath, Token);
        log[(int)Addresses()[3] + 40] ^= 0xFF;
        await File.WriteAllBytesAsync(LogPath, log, Token);
        await using var again = Open();
        Assert.Equal("remark-25.", (await again.GetAsync("i25", Token))!.Reply);
        Assert.Equal("remark-19.", (await again.GetAsync("i19", Token))!.Reply);
        Assert.Equal(["i29", "i28"], (await again.ListAsync(new InteractionQuery { Limit = 2 }, Token)).Select(logged => logged.Interaction.Id));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(60)]
    [InlineData(-1)]
    public async Task Snapshot_Broken_IsBuiltAgainFromTheLog(int at)
    {
        await using (var store = Open())
        {
            await AppendAsync(store, 0, 20);
        }

        var snapshot = await File.ReadAllBytesAsync(SnapshotPath, Token);
        snapshot[at < 0 ? snapshot.Length + at : at] ^= 0xFF;
        await File.WriteAllBytesAsync(SnapshotPath, snapshot, Token);
        await using var again = Open();
        Assert.Equal(20, await again.ReadAsync(0, Token).CountAsync(Token));
    }

    [Fact]
    public async Task Snapshot_OfAnotherLog_IsNotUsed()
    {
        await using (var store = Open())
        {
            await AppendAsync(store, 0, 20);
        }

        var stale = await File.ReadAllBytesAsync(SnapshotPath, Token);
        File.Delete(LogPath);
        File.Delete(SnapshotPath);
        await using (var store = Open())
        {
            await AppendAsync(store, 100, 130);
        }

        await File.WriteAllBytesAsync(SnapshotPath, stale, Token);
        await using var again = Open();
        Assert.Null(await again.GetAsync("i5", Token));
        Assert.Equal("remark-105.", (await again.GetAsync("i105", Token))!.Reply);
    }

    private FilesStore Open(long threshold = 8 << 20) =>
        FilesStore.Open(folder.Path, new FilesStoreOptions { CompactionThreshold = threshold }, TimeProvider.System, NullLogger.Instance);

    private static async Task AppendAsync(FilesStore store, int from, int to)
    {
        for (var i = from; i < to; i++)
        {
            await store.AppendAsync(
                new Interaction
                {
                    Id = $"i{i}",
                    CreatedAt = DateTimeOffset.UnixEpoch,
                    Deployment = "demo",
                    Messages = [new ChatMessage { Role = "user", Content = $"question of {i}" }],
                    Reply = $"remark-{i}.",
                    End = EndReason.Stop,
                    Timings = new Timings(null, 1),
                },
                Token);
        }

        await store.FlushAsync(Token);
    }

    private long[] Addresses()
    {
        var addresses = new List<long>();
        using var log = LogFile.Open(LogPath, (address, _) => addresses.Add(address), TimeProvider.System, NullLogger.Instance);
        return [.. addresses];
    }

    /// <summary>Every byte below the folder.</summary>
    private async Task<string> ReadFilesAsync()
    {
        var text = new StringBuilder();
        foreach (var path in Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories).Where(path => Path.GetFileName(path) != "lock"))
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(file, Encoding.Latin1);
            text.Append(await reader.ReadToEndAsync(Token));
        }

        return text.ToString();
    }
}
