using Gateway.Storage.Files;
using Gateway.TestKit;
using Gateway.TestKit.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.UnitTests.Host.Storage;

public sealed class FilesDocumentConformanceTests : DocumentStoreConformance
{
    private readonly TemporaryFolder folder = TestData.CreateFolder();

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        folder.Dispose();
    }

    protected override Task<OpenStore> OpenAsync() => FilesUnderTest.OpenAsync(folder);
}

public sealed class FilesInteractionConformanceTests : InteractionLogConformance
{
    private readonly TemporaryFolder folder = TestData.CreateFolder();

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        folder.Dispose();
    }

    protected override Task<OpenStore> OpenAsync() => FilesUnderTest.OpenAsync(folder);
}

internal static class FilesUnderTest
{
    public static Task<OpenStore> OpenAsync(TemporaryFolder folder)
    {
        var store = FilesStore.Open(folder.Path, new FilesStoreOptions(), TimeProvider.System, NullLogger.Instance);
        return Task.FromResult(new OpenStore(store, store, store));
    }
}
