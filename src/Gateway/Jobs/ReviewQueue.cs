using System.Runtime.CompilerServices;
using Gateway.Api;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;

namespace Gateway.Jobs;

/// <summary>The interactions that wait for somebody to say what would have been right: flagged, and without a correction.</summary>
public static class ReviewQueue
{
    private const int PageSize = 100;

    /// <summary>What waits, newest first, from before a place in the log on.</summary>
    public static async IAsyncEnumerable<LoggedInteraction> ReadAsync(
        IInteractionLog log, FeedbackStore feedback, string? deployment, long? before, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            var page = await log.ListAsync(
                new InteractionQuery { Deployment = deployment, FlaggedOnly = true, Before = before, Limit = PageSize }, cancellationToken);
            foreach (var entry in page)
            {
                var said = await feedback.ListAsync(entry.Interaction.Id, cancellationToken);
                if (TargetPolicy.Decide(entry.Interaction, said).Kind == TargetKind.NoTarget)
                {
                    yield return entry;
                }
            }

            if (page.Count < PageSize)
            {
                yield break;
            }

            before = page[^1].Sequence;
        }
    }
}
