using Gateway.Model.Numerics;
using Xunit;

namespace Gateway.UnitTests.Model.Numerics;

public sealed class InstructionSetTests
{
    /// <summary>Names the set that a run with the wider ones switched off must find; see .ci/run.</summary>
    private const string ExpectedVariable = "GATEWAY_TEST_KERNELS";

    [Fact]
    public void TheRuntimesSwitches_LeaveTheSetThatTheRunNames()
    {
        string? expected = Environment.GetEnvironmentVariable(ExpectedVariable);
        Assert.Equal(expected ?? Kernels.Best.Name, Kernels.Best.Name);
        Assert.Equal(Kernels.Available[^1].Name, Kernels.Best.Name);
        Assert.Equal("scalar", Kernels.Available[0].Name);
    }
}
