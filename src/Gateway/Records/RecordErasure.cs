using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Hosting;
using Gateway.Responses;

namespace Gateway.Records;

/// <summary>
/// Takes interactions out of the records together with the feedback on them and the responses that are kept of them. These go first: while the interaction is
/// there, a call that was cut short finds it again and finishes. Thread-safe.
/// </summary>
internal sealed class RecordErasure(IDocumentStore documents, IInteractionLog log, StoredResponses responses, GatewayStore store)
{
    /// <summary>Erases them; durable when the task completes.</summary>
    /// <returns>How many interactions and feedback items were there.</returns>
    public async Task<(int Interactions, int Feedback)> EraseAsync(IReadOnlyList<Interaction> interactions, CancellationToken cancellationToken)
    {
        var feedback = 0;
        foreach (var interaction in interactions)
        {
            var writes = new List<DocumentWrite>();
            await foreach (var item in documents.ListAsync(Collections.Feedback, interaction.Id + "/", cancellationToken))
            {
                writes.Add(new(Collections.Feedback, item.Key, ExpectedVersion: null, Json: null));
                writes.Add(new(Collections.FeedbackIds, item.Key[(interaction.Id.Length + 1)..], ExpectedVersion: null, Json: null));
            }

            await responses.RemoveAsync(interaction.Id, cancellationToken);
            if (writes.Count > 0)
            {
                await documents.CommitAsync(writes, cancellationToken);
                feedback += writes.Count / 2;
            }
        }

        return (await log.EraseAsync(interactions, cancellationToken), feedback);
    }

    /// <summary>Has the store take deleted documents off its disk.</summary>
    public Task CompactAsync(CancellationToken cancellationToken) => store.CompactAsync(cancellationToken);
}
