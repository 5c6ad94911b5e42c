using System.Text;
using Gateway.Domain.Storage;
using Gateway.Storage;
using Gateway.Storage.Files;
using Gateway.TestKit;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class FilesStoreTests : IDisposable
{
    private readonly TemporaryFolder folder = TestData.CreateFolder();
    private readonly RecordingLogger logger = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string LogPath => Path.Combine(folder.Path, "documents.log");

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Open_FolderInUse_IsRefusedWithOneSentenceNamingTheProcess()
    {
        await using var first = Open();
        var refusal = Assert.Throws<StoreUnavailableException>(Open);
        Assert.Equal(
            $"the data folder {folder.Path} is in use by process {Environment.ProcessId}: stop it or pass --data with another folder",
            refusal.Message);
    }

    [Fact]
    public async Task Open_AfterDispose_Works()
    {
        await Open().DisposeAsync();
        await Open().DisposeAsync();
    }

    [Fact]
    public void Open_FolderThatCannotBeMade_IsRefusedWithOneSentence()
    {
        var file = Path.Combine(folder.Path, "file");
        File.WriteAllText(file, "");
        var refusal = Assert.Throws<StoreUnavailableException>(
            () => FilesStore.Open(Path.Combine(file, "data"), new FilesStoreOptions(), TimeProvider.System, logger));
        Assert.Contains("cannot be written", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("--data", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_FileThatIsNotALog_IsRefusedAndLeftAlone()
    {
        File.WriteAllText(LogPath, "my shopping list, not a log");
        Assert.Contains("is not a log", Assert.Throws<StoreUnavailableException>(Open).Message, StringComparison.Ordinal);
        Assert.Equal("my shopping list, not a log", File.ReadAllText(LogPath));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(40)]
    public async Task Open_TornTail_IsCutWithAWarningNamingTheBytes(int missing)
    {
        var whole = await CommitAsync(3);
        var lastRecord = LastRecordAt();
        using (var file = File.OpenWrite(LogPath))
        {
            file.SetLength(whole - missing);
        }

        await using (var store = Open())
        {
            Assert.Equal(2, await CountAsync(store));
        }

        Assert.Contains(logger.Messages, message => message.Contains($"{whole - missing - lastRecord} bytes cut", StringComparison.Ordinal));
        Assert.Equal(lastRecord, new FileInfo(LogPath).Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0xFF)]
    public async Task Open_GarbledLastRecord_IsCutAndWritingGoesOn(byte garbage)
    {
        var whole = await CommitAsync(3);
        using (var file = File.OpenWrite(LogPath))
        {
            file.Position = whole - 20;
            file.Write([.. Enumerable.Repeat(garbage, 20)]);
        }

        await using (var store = Open())
        {
            Assert.Equal(2, await CountAsync(store));
            Assert.True((await store.CommitAsync([Write("new")], Token)).Committed);
        }

        await using var again = Open();
        Assert.Equal(3, await CountAsync(again));
    }

    [Fact]
    public async Task Open_RandomBytesBehindTheLastRecord_AreCut()
    {
        await CommitAsync(3);
        var garbage = new byte[5000];
        new Random(7).NextBytes(garbage);
        await File.AppendAllBytesAsync(LogPath, garbage, Token);
        await using var store = Open();
        Assert.Equal(3, await CountAsync(store));
        Assert.Contains(logger.Messages, message => message.Contains("5000 bytes cut", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Open_DamageBeforeIntactRecords_IsRefusedNotCut()
    {
        var whole = await CommitAsync(3);
        using (var file = File.OpenWrite(LogPath))
        {
            file.Position = 30;
            file.WriteByte(0xFF);
        }

        Assert.Contains("is damaged at byte 8", Assert.Throws<StoreUnavailableException>(Open).Message, StringComparison.Ordinal);
        Assert.Equal(whole, new FileInfo(LogPath).Length);
    }

    [Fact]
    public async Task Open_LeftoverOfAnInterruptedRewrite_IsIgnored()
    {
        await CommitAsync(3);
        await File.WriteAllTextAsync(LogPath + ".next", "half a rewrite", Token);
        await using var store = Open();
        Assert.Equal(3, await CountAsync(store));
        Assert.False(File.Exists(LogPath + ".next"));
    }

    [Fact]
    public async Task Garbage_AboveHalfAndThreshold_IsRewrittenAway()
    {
        await using (var store = Open(threshold: 20_000))
        {
            for (var i = 0; i < 200; i++)
            {
                await store.CommitAsync([Write("same", new string('x', 1000)), Write($"k{i % 5}")], Token);
            }

            Assert.InRange(new FileInfo(LogPath).Length, 1000, 50_000);
        }

        await using var again = Open();
        Assert.Equal(6, await CountAsync(again));
        Assert.Equal(200, (await again.GetAsync("c", "same", Token))!.Version);
    }

    [Fact]
    public async Task Compact_TakesDeletedContentOffTheDisk_AndKeepsWorking()
    {
        await using var store = Open();
        await store.CommitAsync([Write("secret", "a very personal remark"), Write("kept")], Token);
        await store.CommitAsync([new DocumentWrite("c", "secret", 1, null)], Token);
        Assert.Contains("personal", await ReadLogAsync(), StringComparison.Ordinal);
        await store.CompactAsync(Token);
        Assert.DoesNotContain("personal", await ReadLogAsync(), StringComparison.Ordinal);
        Assert.True((await store.CommitAsync([Write("after")], Token)).Committed);
        await store.DisposeAsync();
        await using var again = Open();
        Assert.Equal(["after", "kept"], await again.ListAsync("c", "", Token).Select(document => document.Key).ToListAsync(Token));
    }

    [Fact]
    public async Task Commit_WhenAcknowledged_IsInTheFile()
    {
        await using var store = Open();
        for (var i = 0; i < 200; i++)
        {
            var before = new FileInfo(LogPath).Length;
            await store.CommitAsync([Write($"k{i}")], Token);
            Assert.True(new FileInfo(LogPath).Length > before, $"commit {i} was acknowledged before it was written");
        }
    }

    [Fact]
    public async Task Commit_AfterDispose_SaysThatTheStoreIsClosed()
    {
        var store = Open();
        await store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => store.CommitAsync([Write("k")], Token).AsTask());
    }

    [Fact]
    public async Task Commit_KeyWithLoneSurrogate_IsMisuse()
    {
        await using var store = Open();
        await Assert.ThrowsAnyAsync<ArgumentException>(() => store.CommitAsync([Write("a\uD800")], Token).AsTask());
    }

    private static DocumentWrite Write(string key, string text = "{}") => new("c", key, null, Encoding.UTF8.GetBytes(text));

    private static async Task<int> CountAsync(FilesStore store) => await store.ListAsync("c", "", Token).CountAsync(Token);

    private FilesStore Open() => Open(8 << 20);

    private FilesStore Open(long threshold) =>
        FilesStore.Open(folder.Path, new FilesStoreOptions { CompactionThreshold = threshold }, TimeProvider.System, logger);

    /// <summary>Commits so many equal documents one by one and returns the length of the log.</summary>
    private async Task<long> CommitAsync(int documents)
    {
        await using var store = Open();
        for (var i = 0; i < documents; i++)
        {
            await store.CommitAsync([Write($"k{i}", """{"text":"some content of a document"}""")], Token);
        }

        return new FileInfo(LogPath).Length;
    }

    /// <summary>Where the last of the three equal records of <see cref="CommitAsync"/> begins.</summary>
    private long LastRecordAt() => 8 + ((new FileInfo(LogPath).Length - 8) / 3 * 2);

    private async Task<string> ReadLogAsync()
    {
        await using var file = new FileStream(LogPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(file, Encoding.Latin1);
        return await reader.ReadToEndAsync(Token);
    }

    private sealed class RecordingLogger : ILogger
    {
        public List<string> Messages { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (Messages)
            {
                Messages.Add(formatter(state, exception));
            }
        }
    }
}
