using System.Text;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Xunit;

namespace Gateway.TestKit.Storage;

/// <summary>Opens the store for each test and closes it; the base of the conformance suites that every implementation inherits.</summary>
public abstract class StoreConformance : IAsyncLifetime
{
    private OpenStore? store;

    /// <summary>The test's token.</summary>
    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Documents of the store under test.</summary>
    protected IDocumentStore Documents => store!.Documents;

    /// <summary>Interactions of the store under test.</summary>
    protected IInteractionLog Interactions => store!.Interactions;

    /// <inheritdoc/>
    public virtual async ValueTask InitializeAsync() => store = await OpenAsync();

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        if (store is not null)
        {
            await store.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Opens the store on the data of this test; empty the first time, then with what was left.</summary>
    protected abstract Task<OpenStore> OpenAsync();

    /// <summary>Closes the store and opens it again.</summary>
    protected async Task ReopenAsync()
    {
        await store!.DisposeAsync();
        store = await OpenAsync();
    }

    /// <summary>A write of a JSON text.</summary>
    protected static DocumentWrite Put(string collection, string key, long? expected, string json) =>
        new(collection, key, expected, Encoding.UTF8.GetBytes(json));

    /// <summary>A deletion.</summary>
    protected static DocumentWrite Delete(string collection, string key, long? expected) => new(collection, key, expected, null);

    /// <summary>Commits and returns whether it was done.</summary>
    protected async Task<bool> CommitAsync(params DocumentWrite[] writes) => (await Documents.CommitAsync(writes, Token)).Committed;

    /// <summary>The document's text, or null.</summary>
    protected async Task<string?> TextAsync(string collection, string key) =>
        await Documents.GetAsync(collection, key, Token) is { } document ? Encoding.UTF8.GetString(document.Json.Span) : null;

    /// <summary>The listed keys.</summary>
    protected async Task<string[]> KeysAsync(string collection, string prefix) =>
        await Documents.ListAsync(collection, prefix, Token).Select(document => document.Key).ToArrayAsync(Token);

    /// <summary>An interaction with every kind of member set.</summary>
    protected static Interaction MakeInteraction(string id, string deployment = "demo", bool flagged = false, string reply = "ok") => new()
    {
        Id = id,
        CreatedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Deployment = deployment,
        Arm = Arm.Candidate,
        ArmShare = 0.25,
        Messages = [new ChatMessage { Role = "user", Content = "Grüße, 世界 🌍" }],
        Reply = reply,
        End = EndReason.Stop,
        Status = 200,
        Usage = new TokenUsage(12, 3),
        Timings = new Timings(1.5, 20.25),
        Flags = flagged ? [new Flag(FlagKind.Empty, "no text")] : [],
    };
}
