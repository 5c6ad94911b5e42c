using Gateway.Jobs;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Host.Jobs;

public sealed class TrainingProcessTests
{
    [Fact]
    public async Task The_executable_finds_itself_and_its_last_words_come_back()
    {
        using var folder = TestData.CreateFolder();
        var exit = await new TrainingProcess().RunAsync(folder.Path, _ => { }, TestContext.Current.CancellationToken);
        Assert.Equal(ITrainingLauncher.Refused, exit.Code);
        Assert.Contains("request.json is missing", exit.Error, StringComparison.Ordinal);
    }
}
