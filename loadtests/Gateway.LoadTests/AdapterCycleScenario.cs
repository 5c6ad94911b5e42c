using System.Globalization;
using Gateway.TestKit.Processes;

namespace Gateway.LoadTests;

/// <summary>A hundred adapters of rank 16 cycled under load through a gateway process and a worker process with memory for sixteen.</summary>
internal static class AdapterCycleScenario
{
    private const double WarmUpShare = 0.25;
    private const double AllowedGrowth = 32;

    /// <summary>Runs for <paramref name="duration"/> with a swap a second; throws when a reply failed or was mixed, or memory grew.</summary>
    public static async Task RunAsync(TimeSpan duration, CancellationToken cancellationToken)
    {
        using var cycle = new AdapterCycle(
            new AdapterCycleOptions { Adapters = 100, Deployments = 40, Duration = duration }, line => Console.WriteLine($"adapters: {line}"));
        var report = await cycle.RunAsync(cancellationToken);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"adapters: 100 of rank 16, {report.Swaps} swaps in {duration.TotalSeconds:F0} s (slowest {report.SlowestSwapMs:F0} ms), {report.Replies} replies of {report.Generations} generations: {report.Failed} failed, {report.Mixed} mixed; at most {report.MostHeldBytes >> 10} KiB of adapters held, at least {report.FewestAway} named ones not in memory"));
        var warmUp = duration.TotalSeconds * WarmUpShare;
        foreach (var (name, memory) in ((string, ResidentMemory)[])[("worker", report.Worker), ("gateway", report.Gateway)])
        {
            var (begin, end) = memory.Ends(warmUp);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"adapters: {name} resident {begin:F1} MiB after {warmUp:F0} s, {end:F1} MiB at the end, slope {memory.SlopePerMinute(warmUp):+0.00;-0.00} MiB a minute"));
            Require(end - begin < AllowedGrowth, $"The {name}'s resident memory grew by {end - begin:F0} MiB.");
        }

        Require(report.Failed == 0 && report.Mixed == 0, $"Replies failed or were mixed; the first: {report.FirstProblem}");
        Require(report.Swaps > duration.TotalSeconds * 0.9, "Swaps did not keep to one a second.");
        Require(report.FewestAway > 0, "Every adapter was in memory, so that nothing was read again.");
    }

    private static void Require(bool condition, string problem)
    {
        if (!condition)
        {
            throw new InvalidOperationException(problem);
        }
    }
}
