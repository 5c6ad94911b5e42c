using Gateway.Training.Optimization;
using Xunit;

namespace Gateway.UnitTests.Training;

public sealed class LearningRateScheduleTests
{
    [Theory]
    [InlineData(0, 0.1)]
    [InlineData(9, 1.0)]
    [InlineData(10, 1.0)]
    [InlineData(55, 0.5)]
    [InlineData(99, 0.00030455)]
    public void Warm_up_then_cosine(int step, double expected) =>
        Assert.Equal(expected, new LearningRateSchedule { Peak = 1, Steps = 100, WarmupSteps = 10 }.At(step), 1e-6);

    [Fact]
    public void The_floor_is_approached_at_the_end() =>
        Assert.Equal(0.2, new LearningRateSchedule { Peak = 1, Floor = 0.2, Steps = 1000, WarmupSteps = 1 }.At(1000), 1e-9);
}
