using Gateway.TestKit;
using Gateway.TestKit.Processes;
using Xunit;

namespace Gateway.FunctionalTests.Durability;

public sealed class KillLoopTests
{
    /// <summary>The short version of the long scenario: no training, two kills.</summary>
    [Fact]
    public async Task Everything_acknowledged_survives_kill_9_of_the_whole_gateway()
    {
        using var folder = TestData.CreateFolder();
        var options = new KillLoopOptions
        {
            TrafficRounds = 2,
            TrainingRounds = 0,
            Shortest = TimeSpan.FromSeconds(1.5),
            Longest = TimeSpan.FromSeconds(3),
            Corrections = 10,
        };
        var report = await new KillLoop(options, _ => { }).RunAsync(folder.Path, TestContext.Current.CancellationToken);

        // The loop throws when something acknowledged is missing; here it must also have had something to lose.
        Assert.True(report.Feedback > 0 && report.ControlChanges > 0 && report.Interactions > 0, report.ToString());
        Assert.InRange(report.LongestLossWindowMs, 0, 1000);
    }
}
