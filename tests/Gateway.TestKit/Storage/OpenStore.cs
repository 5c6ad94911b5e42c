using Gateway.Domain.Storage;

namespace Gateway.TestKit.Storage;

/// <summary>A store under test through its two seams, and what closes it.</summary>
public sealed record OpenStore(IDocumentStore Documents, IInteractionLog Interactions, IAsyncDisposable Lifetime) : IAsyncDisposable
{
    /// <inheritdoc/>
    public ValueTask DisposeAsync() => Lifetime.DisposeAsync();
}
