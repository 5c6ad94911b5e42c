using Gateway.Storage.Files;
using Gateway.TestKit;
using Gateway.TestKit.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.UnitTests.Host.Storage;

public sealed class FilesKillTests
{
    [Fact]
    public async Task WriterKilledAtRandomPoints_NothingAcknowledgedIsLost()
    {
        using var folder = TestData.CreateFolder();
        var random = new Random(20260101);
        for (var round = 0; round < 4; round++)
        {
            var acknowledgements = await KillRound.RunAsync(folder.Path, random, Open, TestContext.Current.CancellationToken);
            Assert.True(acknowledgements > 0);
        }

        OpenStore Open()
        {
            var store = FilesStore.Open(folder.Path, new FilesStoreOptions(), TimeProvider.System, NullLogger.Instance);
            return new OpenStore(store, store, store);
        }
    }
}
