using System.Diagnostics;
using System.Globalization;
using Gateway.TestKit;
using Gateway.TestKit.Processes;
using Gateway.TestKit.Storage;

namespace Gateway.LoadTests.FrontDoor;

/// <summary>
/// What the front door adds to a reply, with every record made durable: an instant worker, the gateway, YARP alone and the
/// generator as processes on one machine. Direct, through YARP alone and through the gateway take turns, and the added latency
/// of a turn is the difference of its quantile to the direct one.
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
        var (workerPort, proxyPort) = (GatewayProcess.FreePort(), GatewayProcess.FreePort());
        using var worker = Start("instant-worker", workerPort);
        using var proxy = Start("bare-proxy", proxyPort, workerPort);
        try
        {
            string[] store = redis is null ? [] : ["--redis", redis.Address];
            using var gateway = await GatewayProcess.StartAsync(
                data.Path, cancellationToken, ["--model", model.Path, "--worker", $"http://127.0.0.1:{workerPort}", .. store]);
            Console.WriteLine($"front-door: {(useRedis ? "Redis, fsync before every reply" : "embedded store")}; {Environment.ProcessorCount} cores; {turns} turns of {seconds} s each");
            Side[] sides = [new("direct", workerPort, "instant"), new("bare YARP", proxyPort, "instant"), new("gateway", gateway.Address.Port, "starter")];
            foreach (var stream in (bool[])[false, true])
            {
                if (parts.Contains(stream ? "stream" : "whole") || (parts.Contains("closed") && !stream))
                {
                    // Until the compiler has seen the hot paths.
                    foreach (var side in sides)
                    {
                        LoadGenerator.Closed(side.Port, side.Request(stream), ClosedConnections, warmUp);
                    }
                }

                if (parts.Contains(stream ? "stream" : "whole"))
                {
                    CompareRates(sides, stream);
                }
            }

            if (parts.Contains("closed"))
            {
                CompareThroughput(sides);
            }
        }
        finally
        {
            worker.Kill();
            proxy.Kill();
        }
    }

    private void CompareRates(Side[] sides, bool stream)
    {
        foreach (var rate in Rates)
        {
            var results = InTurns(sides, side => LoadGenerator.Open(side.Port, side.Request(stream), rate, seconds));
            Report(stream ? $"{rate}/s, streamed, first byte" : $"{rate}/s, whole", sides, results, result => stream ? result.First : result.Whole);
            if (stream)
            {
                Report($"{rate}/s, streamed, last byte", sides, results, result => result.Whole);
            }
        }
    }

    private void CompareThroughput(Side[] sides)
    {
        var results = InTurns(sides, side => LoadGenerator.Closed(side.Port, side.Request(stream: false), ClosedConnections, seconds));
        Console.WriteLine($"front-door: {ClosedConnections} connections: " + string.Join(", ", sides.Select((side, i) => string.Create(
            CultureInfo.InvariantCulture, $"{side.Name} {Median([.. results[i].Select(result => result.PerSecond)]):F0}/s"))));
    }

    /// <summary>One list of results for each side, measured in turns.</summary>
    private List<LoadResult>[] InTurns(Side[] sides, Func<Side, LoadResult> measure)
    {
        List<LoadResult>[] results = [.. sides.Select(_ => new List<LoadResult>())];
        for (var turn = 0; turn < turns; turn++)
        {
            for (var i = 0; i < sides.Length; i++)
            {
                results[i].Add(measure(sides[i]));
            }
        }

        return results;
    }

    /// <summary>Medians over the turns of each turn's quantiles: a turn in which the host was busy elsewhere does not make the figure.</summary>
    private static void Report(string what, Side[] sides, List<LoadResult>[] results, Func<LoadResult, double[]> values)
    {
        double[][] medians = [.. results.Select(turns => Each(turns, 0.5))];
        double[][] slow = [.. results.Select(turns => Each(turns, 0.99))];
        Console.WriteLine($"front-door: {what}: " + string.Join("; ", sides.Select((side, i) =>
        {
            double[] added = [.. slow[i].Zip(slow[0], (through, direct) => through - direct).Order()];
            return string.Create(CultureInfo.InvariantCulture, $"{side.Name} p50 {Median(medians[i]):F2} p99 {Median(slow[i]):F2}")
                + (i == 0 ? " ms" : string.Create(CultureInfo.InvariantCulture, $", added {Median(added):F2} ({added[0]:F2} to {added[^1]:F2})"));
        })));

        double[] Each(List<LoadResult> turns, double quantile) => [.. turns.Select(turn => LoadResult.Quantile(values(turn), quantile))];
    }

    private static double Median(double[] of) => LoadResult.Quantile([.. of.Order()], 0.5);

    /// <summary>This program again, by its own executable or by dotnet and its assembly.</summary>
    private static Process Start(string part, params int[] ports)
    {
        string[] own = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [typeof(FrontDoorScenario).Assembly.Location] : [];
        return Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [.. own, part, .. ports.Select(port => $"{port}")]))!;
    }

    /// <summary>Where requests go, and the model to ask for there.</summary>
    private sealed record Side(string Name, int Port, string Model)
    {
        public byte[] Request(bool stream) => LoadConnection.Request(Port, Model, stream);
    }
}
