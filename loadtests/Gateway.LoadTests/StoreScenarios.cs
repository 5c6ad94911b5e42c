using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Storage.Files;
using Gateway.TestKit;
using Gateway.TestKit.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.LoadTests;

/// <summary>The embedded store under kills and under load.</summary>
public static class StoreScenarios
{
    private const int Commits = 20_000;
    private const int Appends = 200_000;

    /// <summary>Kills a writer again and again on one folder; throws when something acknowledged is gone.</summary>
    public static async Task KillLoopAsync(int rounds, CancellationToken cancellationToken)
    {
        using var folder = TestData.CreateFolder();
        var random = new Random(1);
        var checkedLines = 0;
        for (var round = 1; round <= rounds; round++)
        {
            checkedLines += await KillRound.RunAsync(folder.Path, random, () => ToOpenStore(Open(folder)), cancellationToken);
        }

        Console.WriteLine($"store-kill: {rounds} kills, {checkedLines} acknowledgements checked, 0 lost");
    }

    /// <summary>Measures commits and appends per second and the time until an interaction is durable.</summary>
    public static async Task MeasureAsync(CancellationToken cancellationToken)
    {
        using var folder = TestData.CreateFolder();
        await using var store = Open(folder);
        var json = Encoding.UTF8.GetBytes(new string('x', 400));
        foreach (var writers in (int[])[1, 16, 64])
        {
            var latencies = await RunAsync(writers, Commits / (writers == 1 ? 10 : 1), async (writer, i) =>
            {
                DocumentWrite[] writes = [new("feedback", $"{writers}/{writer}/{i}", 0, json), new("feedback-ids", $"{writers}/{writer}/{i}", 0, json)];
                await store.CommitAsync(writes, cancellationToken);
            });
            Report($"feedback commits, {writers} at once", latencies);
        }

        using var windows = new WindowListener();
        var started = Stopwatch.GetTimestamp();
        var processor = Environment.CpuUsage.TotalTime;
        await RunAsync(4, Appends, async (writer, i) => await store.AppendAsync(MakeInteraction($"{writer}-{i}"), cancellationToken));
        await store.FlushAsync(cancellationToken);
        Console.WriteLine(
            $"appends, 4 at once, to the last one durable: {Appends / Stopwatch.GetElapsedTime(started).TotalSeconds:F0}/s ({(Environment.CpuUsage.TotalTime - processor).TotalMicroseconds / Appends:F1} us of processor each)");
        windows.Report("accepted until durable, full load");
        await RunAsync(1, 2000, async (_, i) =>
        {
            await store.AppendAsync(MakeInteraction($"paced-{i}"), cancellationToken);
            await Task.Delay(2, cancellationToken);
        });
        windows.Report("accepted until durable, up to 500 a second");

        await store.DisposeAsync();
        started = Stopwatch.GetTimestamp();
        processor = Environment.CpuUsage.TotalTime;
        await using var again = Open(folder);
        Console.WriteLine($"reopen with {2 * ((Commits * 2) + (Commits / 10))} documents and over {Appends} interactions: {Stopwatch.GetElapsedTime(started).TotalSeconds:F2} s ({(Environment.CpuUsage.TotalTime - processor).TotalSeconds:F2} s of processor)");
    }

    private static FilesStore Open(TemporaryFolder folder) =>
        FilesStore.Open(folder.Path, new FilesStoreOptions(), TimeProvider.System, NullLogger.Instance);

    private static OpenStore ToOpenStore(FilesStore store) => new(store, store, store);

    /// <summary>Runs an action so many times on so many tasks and returns each one's milliseconds, with the total first.</summary>
    private static async Task<(double Seconds, double[] Milliseconds)> RunAsync(int tasks, int total, Func<int, int, Task> act)
    {
        var latencies = new double[total / tasks * tasks];
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, tasks).Select(task => Task.Run(async () =>
        {
            for (var i = 0; i < total / tasks; i++)
            {
                var before = Stopwatch.GetTimestamp();
                await act(task, i);
                latencies[(task * (total / tasks)) + i] = Stopwatch.GetElapsedTime(before).TotalMilliseconds;
            }
        })));
        return (Stopwatch.GetElapsedTime(started).TotalSeconds, latencies);
    }

    private static void Report(string what, (double Seconds, double[] Milliseconds) run)
    {
        Console.WriteLine($"{what}: {run.Milliseconds.Length / run.Seconds:F0}/s, {Quantiles(run.Milliseconds)}");
    }

    private static string Quantiles(IReadOnlyCollection<double> milliseconds)
    {
        var sorted = milliseconds.Order().ToArray();
        return $"p50 {sorted[sorted.Length / 2]:F2} ms, p99 {sorted[sorted.Length * 99 / 100]:F2} ms, max {sorted[^1]:F2} ms";
    }

    private static Interaction MakeInteraction(string id) => new()
    {
        Id = id,
        CreatedAt = DateTimeOffset.UnixEpoch,
        Deployment = "demo",
        Messages = [new ChatMessage { Role = "user", Content = new string('q', 400) }],
        Reply = new string('a', 400),
        End = EndReason.Stop,
        Status = 200,
        Usage = new TokenUsage(100, 100),
        Timings = new Timings(1, 2),
    };

    /// <summary>Collects the store's own measurement of the commit window.</summary>
    private sealed class WindowListener : IDisposable
    {
        private readonly MeterListener listener = new();
        private readonly List<double> milliseconds = [];

        public WindowListener()
        {
            listener.InstrumentPublished = (instrument, owner) =>
            {
                if (instrument.Name == "gateway.store.append.window")
                {
                    owner.EnableMeasurementEvents(instrument);
                }
            };
            listener.SetMeasurementEventCallback<double>((_, seconds, _, _) => milliseconds.Add(seconds * 1000));
            listener.Start();
        }

        public void Report(string what)
        {
            Console.WriteLine($"{what}: {Quantiles(milliseconds)} over {milliseconds.Count} groups");
            milliseconds.Clear();
        }

        public void Dispose() => listener.Dispose();
    }
}
