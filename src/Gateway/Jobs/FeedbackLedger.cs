using Gateway.Api;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;

namespace Gateway.Jobs;

/// <summary>One usable row: where it is, what it rests on, since when.</summary>
/// <param name="InteractionId">The interaction.</param>
/// <param name="Kind">Correction or liked reply.</param>
/// <param name="At">When the feedback was recorded.</param>
internal readonly record struct LedgerRow(string InteractionId, TargetKind Kind, DateTimeOffset At);

/// <summary>
/// What the feedback of every deployment teaches, in memory and in step with the store: only what changed is read again.
/// <see cref="Note"/> may be called from any thread, the rest by one caller at a time.
/// </summary>
internal sealed class FeedbackLedger(IDocumentStore documents, IInteractionLog log, FeedbackStore feedback)
{
    private readonly Dictionary<string, (string Deployment, TrainingTarget Target)> _entries = new(StringComparer.Ordinal);
    private readonly HashSet<string> _changed = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private bool _everything = true;

    /// <summary>Takes note of a change in the store.</summary>
    public void Note(DocumentChange change)
    {
        lock (_gate)
        {
            if (change.Collection.Length == 0)
            {
                _everything = true;
            }
            else if (change.Collection == Collections.Feedback)
            {
                _changed.Add(ResponseOf(change.Key));
            }
        }
    }

    /// <summary>Reads what changed since the last call. Feedback that came before its interaction is visible is tried again.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        string[] changed;
        bool everything;
        lock (_gate)
        {
            (changed, everything) = ([.. _changed], _everything);
            _changed.Clear();
            _everything = false;
        }

        try
        {
            if (everything)
            {
                changed = [.. (await RespondedAsync(cancellationToken)).Concat(_entries.Keys).Distinct(StringComparer.Ordinal)];
            }

            foreach (var responseId in changed)
            {
                await ReadAsync(responseId, cancellationToken);
            }
        }
        catch
        {
            lock (_gate)
            {
                _everything = true;
            }

            throw;
        }
    }

    /// <summary>The usable rows of a deployment, oldest first.</summary>
    public IReadOnlyList<LedgerRow> UsableRows(string deployment) =>
    [
        .. _entries
            .Where(entry => entry.Value.Deployment == deployment && entry.Value.Target.Usable)
            .Select(entry => new LedgerRow(entry.Key, entry.Value.Target.Kind, entry.Value.Target.At!.Value))
            .OrderBy(row => row.At).ThenBy(row => row.InteractionId, StringComparer.Ordinal),
    ];

    private async Task ReadAsync(string responseId, CancellationToken cancellationToken)
    {
        var items = await feedback.ListAsync(responseId, cancellationToken);
        if (items.Count == 0)
        {
            // Erased: nothing is kept of it here either, and it is not looked for again.
            _entries.Remove(responseId);
            return;
        }

        if (await log.GetAsync(responseId, cancellationToken) is not { } interaction)
        {
            lock (_gate)
            {
                _changed.Add(responseId);
            }

            return;
        }

        _entries[responseId] = (interaction.Deployment, TargetPolicy.Decide(interaction, items));
    }

    private async Task<string[]> RespondedAsync(CancellationToken cancellationToken)
    {
        var responses = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var document in documents.ListAsync(Collections.Feedback, "", cancellationToken))
        {
            responses.Add(ResponseOf(document.Key));
        }

        return [.. responses];
    }

    private static string ResponseOf(string key) => key.IndexOf('/', StringComparison.Ordinal) is > 0 and var slash ? key[..slash] : key;
}
