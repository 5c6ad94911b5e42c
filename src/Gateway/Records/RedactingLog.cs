using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;

namespace Gateway.Records;

/// <summary>An interaction log that stores nothing before personal data are replaced. Thread-safe.</summary>
internal sealed class RedactingLog(IInteractionLog log) : IInteractionLog
{
    /// <inheritdoc/>
    public ValueTask AppendAsync(Interaction interaction, CancellationToken cancellationToken) =>
        log.AppendAsync(Redactor.Redact(interaction), cancellationToken);

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken) => log.FlushAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<Interaction?> GetAsync(string id, CancellationToken cancellationToken) => log.GetAsync(id, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<LoggedInteraction> ReadAsync(long after, CancellationToken cancellationToken) => log.ReadAsync(after, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<LoggedInteraction>> ListAsync(InteractionQuery query, CancellationToken cancellationToken) =>
        log.ListAsync(query, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<int> EraseAsync(IReadOnlyList<Interaction> interactions, CancellationToken cancellationToken) =>
        log.EraseAsync(interactions, cancellationToken);
}
