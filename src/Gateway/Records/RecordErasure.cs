using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;
using Gateway.Hosting;
using Gateway.Responses;

namespace Gateway.Records;

/// <summary>
/// Takes interactions out of the records together with the feedback on them and what callers asked to keep of them. These go first: while the interaction is
/// there, a call that was cut short finds it again and finishes. Thread-safe.
/// </summary>
internal sealed class RecordErasure(IDocumentStore documents, IInteractionLog log, StoredResponses responses, StoredCompletions completions, GatewayStore store)
{
    /// <summary>Erases them; durable when the task completes.</summary>
    /// <returns>How many interactions and feedback items were there.</returns>
    public async Task<(int Interactions, int Feedback)> EraseAsync(IReadOnlyList<Interaction> interactions, CancellationToken cancellationToken)
    {
        var feedback = 0;
        foreach (var interaction in interactions)
        {
            feedback += await EraseAboutAsync(interaction.Id, cancellationToken);
            await completions.RemoveAsync(interaction, cancellationToken);
        }

        return (await log.EraseAsync(interactions, cancellationToken), feedback);
    }

    /// <summary>Erases the feedback on a reply and the response that is kept of it, whether there is an interaction or not; returns how many feedback items there were.</summary>
    public async Task<int> EraseAboutAsync(string id, CancellationToken cancellationToken)
    {
        var writes = new List<DocumentWrite>();
        await foreach (var item in documents.ListAsync(Collections.Feedback, id + "/", cancellationToken))
        {
            writes.Add(new(Collections.Feedback, item.Key, ExpectedVersion: null, Json: null));
            writes.Add(new(Collections.FeedbackIds, item.Key[(id.Length + 1)..], ExpectedVersion: null, Json: null));
        }

        await responses.RemoveAsync(id, cancellationToken);
        if (writes.Count > 0)
        {
            await documents.CommitAsync(writes, cancellationToken);
        }

        return writes.Count / 2;
    }

    /// <summary>Sees to it that nothing of a user comes back from a gateway that still has it on its way; see <see cref="GatewayStore.ForgetAsync"/>.</summary>
    public Task ForgetAsync(string user, DateTimeOffset before, IReadOnlyCollection<string> ids, CancellationToken cancellationToken) =>
        store.ForgetAsync(user, before, ids, cancellationToken);

    /// <summary>Has the store take deleted documents off its disk.</summary>
    public Task CompactAsync(CancellationToken cancellationToken) => store.CompactAsync(cancellationToken);
}
