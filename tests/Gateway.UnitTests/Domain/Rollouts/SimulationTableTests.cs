using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Domain.Rollouts;

/// <summary>The published operating characteristics, 1,000 runs a row; the long scenario repeats them with 10,000.</summary>
public class SimulationTableTests
{
    public static TheoryData<int> ThreeGuardrailRows => [.. Enumerable.Range(0, RolloutSimulation.ThreeGuardrails.Count)];

    public static TheoryData<int> OneGuardrailRows => [.. Enumerable.Range(0, RolloutSimulation.OneGuardrail.Count)];

    [Theory]
    [MemberData(nameof(ThreeGuardrailRows))]
    public void ThreeGuardrails_RowIsReproduced(int row) => Check(RolloutSimulation.ThreeGuardrails[row]);

    [Theory]
    [MemberData(nameof(OneGuardrailRows))]
    public void OneGuardrail_RowIsReproduced(int row) => Check(RolloutSimulation.OneGuardrail[row]);

    [Fact]
    public void AssertReproduces_WrongFigures_Fails()
    {
        var row = RolloutSimulation.OneGuardrail[1];
        var result = RolloutSimulation.Run(row, 1000, seed: 2026);
        Assert.ThrowsAny<Exception>(() => RolloutSimulation.AssertReproduces(row with { Rollback = row.Rollback + 0.04 }, result));
        Assert.ThrowsAny<Exception>(() => RolloutSimulation.AssertReproduces(row with { Median = row.Median * 6 / 5 }, result));
    }

    private static void Check(SimulationRow row) =>
        RolloutSimulation.AssertReproduces(row, RolloutSimulation.Run(row, 1000, seed: 2026));
}
