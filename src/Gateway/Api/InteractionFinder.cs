using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;
using Gateway.Security;

namespace Gateway.Api;

/// <summary>Finds interactions so that whoever got a reply from this process can read its record at once. Thread-safe.</summary>
public sealed class InteractionFinder(IInteractionLog log, InteractionRecorder recorder, ResponseIdSigner ids, TimeProvider clock)
{
    private static readonly TimeSpan VisibleWithin = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>The interaction, or null. An id that was never issued costs no look-up.</summary>
    public async Task<Interaction?> FindAsync(string id, CancellationToken cancellationToken)
    {
        if (!ids.Verify(id))
        {
            return null;
        }

        if (await log.GetAsync(id, cancellationToken) is { } found)
        {
            return found;
        }

        // It may be on its way to the log.
        await recorder.FlushAsync(cancellationToken);
        return await log.GetAsync(id, cancellationToken);
    }

    /// <summary>
    /// The interaction when <paramref name="caller"/> may see it, else null. Another process may have answered and its record
    /// be a commit interval away, so a caller whose right depends on the record waits for it.
    /// </summary>
    public async Task<Interaction?> FindAsync(string id, Caller caller, CancellationToken cancellationToken)
    {
        var found = await FindAsync(id, cancellationToken);
        if (caller.IsOperator)
        {
            return found;
        }

        for (var waited = TimeSpan.Zero; found is null && ids.Verify(id) && waited < VisibleWithin; waited += PollInterval)
        {
            await Task.Delay(PollInterval, clock, cancellationToken);
            found = await log.GetAsync(id, cancellationToken);
        }

        return found is not null && caller.MaySee(found.Owner) ? found : null;
    }

    /// <summary>One page, newest first. While records cannot be written, what is written can still be read.</summary>
    public async Task<IReadOnlyList<LoggedInteraction>> ListAsync(InteractionQuery query, CancellationToken cancellationToken)
    {
        if (recorder.Healthy)
        {
            await recorder.FlushAsync(cancellationToken);
        }

        return await log.ListAsync(query, cancellationToken);
    }
}
