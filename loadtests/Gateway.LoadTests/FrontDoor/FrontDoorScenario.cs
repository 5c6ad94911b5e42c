using System.Diagnostics;
using System.Globalization;
using Gateway.TestKit;
using Gateway.TestKit.Processes;
using Gateway.TestKit.Storage;

namespace Gateway.LoadTests.FrontDoor;

/// <summary>
/// What the front door adds to a reply, with every record made durable: an instant worker, the gateway and the generator as
/// three processes on one machine. Direct and through the gateway take turns, and the added latency of a turn is the difference
/// of the quantiles.
/// </summary>
internal sealed class FrontDoorScenario(double seconds, int turns, double warmUp)
{
    private const int ClosedConnections = 16;
    private static readonly int[] Rates = [500, 2000];

    /// <summary>Runs with the embedded store or, with <c>--redis</c>, with Redis; other arguments pick a part: whole, stream, closed.</summary>
    public static async Task RunAsync(string[] arguments, CancellationToken cancellationToken)
    {
        var scenario = new FrontDoorScenario(Number("--seconds", 4), (int)Number("--turns", 5), Number("--warm", 20));
        var parts = arguments.Where(argument => argument is "whole" or "stream" or "closed").ToHashSet(StringComparer.Ordinal);
        await scenario.MeasureAsync(arguments.Contains("--redis", StringComparer.Ordinal), parts.Count == 0 ? ["whole", "stream", "closed"] : parts, cancellationToken);

        double Number(string name, double otherwise) =>
            Array.IndexOf(arguments, name) is >= 0 and var at ? double.Parse(arguments[at + 1], CultureInfo.InvariantCulture) : otherwise;
    }

    private async Task MeasureAsync(bool useRedis, HashSet<string> parts, CancellationToken cancellationToken)
    {
        using var model = new TinyModel();
        using var data = TestData.CreateFolder();
        using var redis = useRedis ? new RedisServer() : null;
        await (redis?.StartAsync(cancellationToken) ?? Task.CompletedTask);
        var workerPort = GatewayProcess.FreePort();
        using var worker = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. Own(), "instant-worker", $"{workerPort}"]))!;
        try
        {
            string[] store = redis is null ? [] : ["--redis", redis.Address];
            using var gateway = await GatewayProcess.StartAsync(
                data.Path, cancellationToken, ["--model", model.Path, "--worker", $"http://127.0.0.1:{workerPort}", .. store]);
            Console.WriteLine($"front-door: {(useRedis ? "Redis, fsync before every reply" : "embedded store")}; {Environment.ProcessorCount} cores; {turns} turns of {seconds} s each");
            var port = gateway.Address.Port;
            foreach (var stream in (bool[])[false, true])
            {
                if (parts.Contains(stream ? "stream" : "whole") || (parts.Contains("closed") && !stream))
                {
                    // Until the compiler has seen the hot paths.
                    LoadGenerator.Closed(port, LoadConnection.Request(port, "starter", stream), ClosedConnections, warmUp);
                    LoadGenerator.Closed(workerPort, LoadConnection.Request(workerPort, "instant", stream), ClosedConnections, 1);
                }

                if (parts.Contains(stream ? "stream" : "whole"))
                {
                    CompareRates(workerPort, port, stream);
                }
            }

            if (parts.Contains("closed"))
            {
                var direct = LoadGenerator.Closed(workerPort, LoadConnection.Request(workerPort, "instant", stream: false), ClosedConnections, seconds);
                var through = LoadGenerator.Closed(port, LoadConnection.Request(port, "starter", stream: false), ClosedConnections, seconds * 2);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"front-door: {ClosedConnections} connections: direct {direct.PerSecond:F0}/s, through {through.PerSecond:F0}/s (p50 {LoadResult.Quantile(through.Whole, 0.5):F2} ms, p99 {LoadResult.Quantile(through.Whole, 0.99):F2} ms)"));
            }
        }
        finally
        {
            worker.Kill();
        }
    }

    private void CompareRates(int workerPort, int port, bool stream)
    {
        foreach (var rate in Rates)
        {
            var (direct, through) = (new List<LoadResult>(), new List<LoadResult>());
            for (var turn = 0; turn < turns; turn++)
            {
                direct.Add(LoadGenerator.Open(workerPort, LoadConnection.Request(workerPort, "instant", stream), rate, seconds));
                through.Add(LoadGenerator.Open(port, LoadConnection.Request(port, "starter", stream), rate, seconds));
            }

            Report(stream ? $"{rate}/s, streamed, first byte" : $"{rate}/s, whole", direct, through, result => stream ? result.First : result.Whole);
            if (stream)
            {
                Report($"{rate}/s, streamed, last byte", direct, through, result => result.Whole);
            }
        }
    }

    /// <summary>Medians over the turns of each turn's quantiles: a turn in which the host was busy elsewhere does not make the figure.</summary>
    private static void Report(string what, List<LoadResult> direct, List<LoadResult> through, Func<LoadResult, double[]> values)
    {
        var (near50, near99, far50, far99) = (Each(direct, 0.5), Each(direct, 0.99), Each(through, 0.5), Each(through, 0.99));
        double[] added = [.. far99.Zip(near99, (far, near) => far - near).Order()];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"front-door: {what}: direct p50 {Median(near50):F3} p99 {Median(near99):F3}, through p50 {Median(far50):F3} p99 {Median(far99):F3}, added p99 {Median(added):F3} ms ({added[0]:F3} to {added[^1]:F3})"));

        double[] Each(List<LoadResult> turns, double quantile) => [.. turns.Select(turn => LoadResult.Quantile(values(turn), quantile))];

        static double Median(double[] of) => LoadResult.Quantile([.. of.Order()], 0.5);
    }

    /// <summary>How this program is started again: by its own executable, or by dotnet and its assembly.</summary>
    private static string[] Own() =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [typeof(FrontDoorScenario).Assembly.Location] : [];
}
