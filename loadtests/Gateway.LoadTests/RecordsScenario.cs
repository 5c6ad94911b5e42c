using System.Diagnostics;
using System.Globalization;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Storage.Files;
using Gateway.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.LoadTests;

/// <summary>A million interactions in the embedded store: how soon it is ready, what it holds in memory, how fast it finds.</summary>
internal static class RecordsScenario
{
    private const int Records = 1_000_000;
    private const int LookUps = 2000;
    private const double MostSeconds = 5;
    private const long MostBytes = 200L << 20;
    private const double MostMilliseconds = 5;

    /// <summary>Writes, reopens and looks up; throws when a promise is broken.</summary>
    public static async Task RunAsync(CancellationToken cancellationToken)
    {
        using var folder = TestData.CreateFolder();
        await using (var store = Open(folder))
        {
            var written = Stopwatch.GetTimestamp();
            for (var i = 0; i < Records; i++)
            {
                await store.AppendAsync(Make(i), cancellationToken);
            }

            await store.FlushAsync(cancellationToken);
            Say($"written: {Records / Stopwatch.GetElapsedTime(written).TotalSeconds:F0}/s, {new FileInfo(LogOf(folder)).Length >> 20} MiB");
        }

        await MeasureAsync(folder, "with the index snapshot", cancellationToken);
        File.Delete(LogOf(folder) + ".index");
        var whole = Stopwatch.GetTimestamp();
        await using (Open(folder))
        {
            Say($"ready without the snapshot: {Stopwatch.GetElapsedTime(whole).TotalSeconds:F2} s");
        }
    }

    private static async Task MeasureAsync(TemporaryFolder folder, string how, CancellationToken cancellationToken)
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var opened = Stopwatch.GetTimestamp();
        await using var store = Open(folder);
        var ready = Stopwatch.GetElapsedTime(opened).TotalSeconds;
        var held = GC.GetTotalMemory(forceFullCollection: true) - before;

        var random = new Random(1);
        var gets = await TimesAsync(async () => Check(await store.GetAsync(Id(random.Next(Records)), cancellationToken) is not null, "An interaction is missing."));
        var pages = await TimesAsync(async () =>
        {
            var query = new InteractionQuery { Deployment = $"deployment-{random.Next(10)}", FlaggedOnly = true, Before = random.Next(Records / 2, Records) };
            Check((await store.ListAsync(query, cancellationToken)).Count == query.Limit, "A page is short.");
        });
        var users = await TimesAsync(async () =>
            Check((await store.ListAsync(new InteractionQuery { User = $"user-{random.Next(1000)}" }, cancellationToken)).Count == 20, "A user's page is short."));
        var erasing = Stopwatch.GetTimestamp();
        var erased = await store.EraseAsync(
            [.. (await store.ListAsync(new InteractionQuery { User = "user-7", Limit = 1000 }, cancellationToken)).Select(logged => logged.Interaction)], cancellationToken);
        Say($"ready {how}: {ready:F2} s, {held >> 20} MiB held");
        Say($"get by id {Quantiles(gets)}; page of 20 by deployment and flag {Quantiles(pages)}; page of 20 by user {Quantiles(users)}");
        Say($"one user's {erased} interactions found and erased on the disk in {Stopwatch.GetElapsedTime(erasing).TotalMilliseconds:F0} ms");
        Check(ready <= MostSeconds, $"The store was ready after {ready:F1} s.");
        Check(held <= MostBytes, $"The store holds {held >> 20} MiB.");
        Check(gets[LookUps * 99 / 100] <= MostMilliseconds, "Looking up an interaction takes too long.");
    }

    private static async Task<double[]> TimesAsync(Func<Task> act)
    {
        var times = new double[LookUps];
        for (var i = 0; i < LookUps; i++)
        {
            var before = Stopwatch.GetTimestamp();
            await act();
            times[i] = Stopwatch.GetElapsedTime(before).TotalMilliseconds;
        }

        Array.Sort(times);
        return times;
    }

    private static string Quantiles(double[] sorted) =>
        string.Create(CultureInfo.InvariantCulture, $"p50 {sorted[sorted.Length / 2]:F3} ms, p99 {sorted[sorted.Length * 99 / 100]:F3} ms");

    private static FilesStore Open(TemporaryFolder folder) =>
        FilesStore.Open(folder.Path, new FilesStoreOptions(), TimeProvider.System, NullLogger.Instance);

    private static string LogOf(TemporaryFolder folder) => Path.Combine(folder.Path, "interactions.log");

    private static string Id(int i) => string.Create(CultureInfo.InvariantCulture, $"chatcmpl-{i:x24}0123456789abcdef");

    private static Interaction Make(int i) => new()
    {
        Id = Id(i),
        CreatedAt = DateTimeOffset.UnixEpoch.AddSeconds(i),
        Deployment = string.Create(CultureInfo.InvariantCulture, $"deployment-{i % 10}"),
        User = string.Create(CultureInfo.InvariantCulture, $"user-{i % 1000}"),
        Messages = [new ChatMessage { Role = "user", Content = new string('q', 300) }],
        Reply = new string('a', 300),
        End = EndReason.Stop,
        Status = 200,
        Usage = new TokenUsage(100, 100),
        Timings = new Timings(1, 2),
        Flags = i % 100 < 10 ? [new Flag(FlagKind.Empty, "no text")] : [],
    };

    private static void Say(string line) => Console.WriteLine($"records: {line}");

    private static void Check(bool condition, string problem)
    {
        if (!condition)
        {
            throw new InvalidOperationException(problem);
        }
    }
}
