using System.Text.Json;
using Gateway.Api;
using Gateway.Domain.Json;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;
using Gateway.Storage;

namespace Gateway.Jobs;

/// <summary>
/// Drives every rollout under way: reads the evidence, lets <see cref="Rollout.Advance(RolloutEvidence, DateTimeOffset)"/>
/// decide, stores the state and moves the traffic. Of several processes the holder of the lease <c>rollout/ID</c> acts.
/// </summary>
public sealed partial class RolloutController(
    IDocumentStore documents, IInteractionLog log, FeedbackStore feedback, RolloutStore rollouts, Leases leases,
    LearningOptions options, TimeProvider clock, ILogger<RolloutController> logger) : BackgroundService
{
    /// <summary>The name in the audit trail.</summary>
    public const string Actor = "rollout-controller";

    private readonly Dictionary<string, Session> _sessions = new(StringComparer.Ordinal);
    private bool _lookedForStrays;

    /// <summary>One look at every rollout under way; one that fails is logged and does not hold up the others.</summary>
    public async Task TickAsync(CancellationToken cancellationToken)
    {
        await FindAsync(cancellationToken);
        foreach (var (id, session) in _sessions.ToArray())
        {
            try
            {
                if (await session.Lease.KeepAsync(cancellationToken) && await AdvanceAsync(id, session, cancellationToken))
                {
                    _sessions.Remove(id);
                    await session.Lease.ReleaseAsync(cancellationToken);
                }
            }
            catch (Exception failure) when (failure is not OperationCanceledException)
            {
                session.Reader = null;
                LogFailed(failure, id);
            }
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.RolloutTick, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    await TickAsync(stoppingToken);
                }
                catch (IOException failure)
                {
                    LogStoreFailed(failure.Message);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping; leases run out by themselves.
        }
    }

    private async Task FindAsync(CancellationToken cancellationToken)
    {
        await foreach (var deployment in documents.ReadAllAsync(Collections.Deployments, "", DomainJson.Default.Deployment, cancellationToken))
        {
            if (deployment.Value.RolloutId is { } id && !_sessions.ContainsKey(id))
            {
                _sessions[id] = Open(id);
            }
        }

        if (!_lookedForStrays)
        {
            // A rollout whose deployment was moved while no controller ran has nobody else to end it.
            await foreach (var rollout in rollouts.ListAsync(cancellationToken))
            {
                if (!rollout.Value.Ended)
                {
                    _sessions.TryAdd(rollout.Value.Id, Open(rollout.Value.Id));
                }
            }

            _lookedForStrays = true;
        }

        Session Open(string id) => new(new HeldLease(leases, $"rollout/{id}", options.Owner, options.Lease, clock));
    }

    /// <summary>
    /// One step of one rollout; true when nothing is left to do. 1 read the state; 2 end it when its deployment no longer
    /// points here, and complete a verdict that has not moved the traffic yet; 3 evidence; 4 advance; 5 a final verdict moves
    /// the traffic; 6 any other state is stored, with an audit entry when the verdict or the ramp changed.
    /// </summary>
    private async Task<bool> AdvanceAsync(string id, Session session, CancellationToken cancellationToken)
    {
        // 1 State. One stored by anyone else was reached with other evidence than this reader has handed out.
        if (await rollouts.FindAsync(id, cancellationToken) is not var (rollout, version))
        {
            return true;
        }

        if (version != session.Version)
        {
            (session.Reader, session.Version) = (null, version);
        }

        // 2 Deployment.
        var now = clock.GetUtcNow();
        var deployment = await documents.FindAsync(Collections.Deployments, rollout.Deployment, DomainJson.Default.Deployment, cancellationToken);
        var pointsHere = deployment?.Value.RolloutId == id;
        if (!pointsHere && !rollout.Ended)
        {
            return await EndAsync(rollout.RollBackHard("the deployment was moved meanwhile", now), version, cancellationToken);
        }

        if (rollout.Ended)
        {
            return !pointsHere || await EndAsync(rollout, version, cancellationToken);
        }

        // 3 Evidence.
        session.Reader ??= new RolloutEvidenceReader(log, feedback);
        var evidence = await session.Reader.ReadAsync(rollout, now, cancellationToken);

        // 4 Decide.
        var next = rollout.Advance(evidence, now);

        // 5 Verdict.
        if (next.Ended)
        {
            session.Reader = null;
            return await EndAsync(next, version, cancellationToken);
        }

        // 6 Store.
        var decided = next.Verdict != rollout.Verdict || next.Steps.Count != rollout.Steps.Count;
        if (decided
            ? await rollouts.RecordAsync(next, version, Actor, cancellationToken)
            : Differ(rollout, next) && await rollouts.SaveAsync(next, version, cancellationToken))
        {
            session.Version = version + 1;
        }

        return false;
    }

    private async Task<bool> EndAsync(Rollout ended, long version, CancellationToken cancellationToken)
    {
        var done = await rollouts.EndAsync(ended, version, Actor, cancellationToken);
        if (done)
        {
            LogEnded(ended.Id, ended.Deployment, ended.Verdict, string.Join("; ", ended.Reasons));
        }

        return done;
    }

    private static bool Differ(Rollout before, Rollout after) =>
        !JsonSerializer.SerializeToUtf8Bytes(before, DomainJson.Default.Rollout).AsSpan()
            .SequenceEqual(JsonSerializer.SerializeToUtf8Bytes(after, DomainJson.Default.Rollout));

    [LoggerMessage(LogLevel.Information, "Rollout {Id} of {Deployment} ended: {Verdict}. {Reasons}")]
    private partial void LogEnded(string id, string deployment, RolloutVerdict verdict, string reasons);

    [LoggerMessage(LogLevel.Warning, "Rollout {Id} could not advance; it is tried again.")]
    private partial void LogFailed(Exception failure, string id);

    [LoggerMessage(LogLevel.Warning, "The store cannot be read ({Failure}); rollouts wait.")]
    private partial void LogStoreFailed(string failure);

    /// <summary>What this process keeps of a rollout it drives.</summary>
    private sealed class Session(HeldLease lease)
    {
        public HeldLease Lease => lease;

        public RolloutEvidenceReader? Reader { get; set; }

        public long Version { get; set; }
    }
}
