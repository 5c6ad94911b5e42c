using Gateway.TestKit.Processes;
using Xunit;

namespace Gateway.FunctionalTests.Durability;

/// <summary>The short versions of the long scenarios over a fleet of processes.</summary>
public sealed class KillUnderLoadTests
{
    [Theory]
    [InlineData(Victim.Redis)]
    [InlineData(Victim.Worker)]
    [InlineData(Victim.Gateway)]
    public async Task Nothing_acknowledged_is_lost_and_limits_hold(Victim victim)
    {
        using var fleet = new GatewayFleet();
        await fleet.StartAsync(TestContext.Current.CancellationToken);
        var report = await new KillUnderLoad(fleet).RunAsync(
            victim, before: TimeSpan.FromSeconds(3), down: TimeSpan.FromSeconds(2), after: TimeSpan.FromSeconds(2), TestContext.Current.CancellationToken);
        Assert.True(report.Broken() is null, $"{report.Broken()} {report}");
    }

    [Fact]
    public async Task Adapters_are_cycled_under_load_without_a_failed_or_mixed_reply()
    {
        using var cycle = new AdapterCycle(
            new AdapterCycleOptions { Adapters = 30, Deployments = 20, Duration = TimeSpan.FromSeconds(6), Interval = TimeSpan.FromSeconds(0.5), Clients = 4 }, _ => { });
        var report = await cycle.RunAsync(TestContext.Current.CancellationToken);
        Assert.True(report is { Failed: 0, Mixed: 0, Swaps: > 0, Replies: > 0, FewestAway: > 0, Generations: > 1 }, report.ToString());
        Assert.InRange(report.MostHeldBytes, 1, 2 << 20);
    }
}
