using System.Text.Json;
using System.Threading.Channels;
using Gateway.Api;
using Gateway.Domain.Jobs;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Gateway.Domain.Storage;

namespace Gateway.Jobs;

/// <summary>
/// The learning loop (Road 2 of docs/architecture.md): watches feedback, starts training jobs when
/// <see cref="TriggerPolicy"/> says so, runs them, and releases what passes its gate. A job under way when the process ends
/// is resumed by the next one.
/// </summary>
public sealed partial class TrainingWorker(
    IDocumentStore documents, IInteractionLog log, FeedbackStore feedback, TrainingJobs jobs, JobRunner runner, LearningOptions options, TimeProvider clock,
    ILogger<TrainingWorker> logger) : BackgroundService
{
    private readonly FeedbackLedger _ledger = new(documents, log, feedback);
    private readonly Dictionary<string, Task> _running = new(StringComparer.Ordinal);
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>The jobs this process runs now.</summary>
    internal IReadOnlyCollection<Task> Running => _running.Values;

    /// <summary>
    /// One look: 1 read what feedback changed; 2 resume or start the active jobs; 3 start rollouts that wait for their
    /// workers; 4 ask the trigger for every deployment that learns. Jobs run on after it returns.
    /// </summary>
    public async Task LookAsync(CancellationToken cancellationToken)
    {
        // 1 Feedback.
        await _ledger.RefreshAsync(cancellationToken);
        var all = new List<Stored<TrainingJob>>();
        await foreach (var job in jobs.ListAsync(cancellationToken))
        {
            all.Add(job);
        }

        foreach (var id in _running.Where(entry => entry.Value.IsCompleted).Select(entry => entry.Key).ToArray())
        {
            _running.Remove(id);
        }

        // 2 Jobs.
        foreach (var job in all.Where(job => job.Value.Active && !_running.ContainsKey(job.Value.Id)))
        {
            // An operator's rows lie in the data folder of the process that took them.
            if (job.Value.UploadedRows is null || File.Exists(Path.Combine(jobs.FolderOf(job.Value), TrainingJobs.UploadedRows)))
            {
                _running[job.Value.Id] = RunAsync(job.Value.Id, job.Value.Deployment, cancellationToken);
            }
        }

        // 3 Rollouts.
        foreach (var job in all.Where(job => job.Value.AwaitsRollout))
        {
            if (await runner.ReleaseAsync(job, cancellationToken) is { } busy)
            {
                LogWaits(job.Value.Id, busy.Message);
            }
        }

        // 4 Triggers.
        await foreach (var (deployment, _) in documents.ReadAllAsync(Collections.Deployments, "", DomainJson.Default.Deployment, cancellationToken))
        {
            if (deployment.Learns && Decide(deployment, all) is { Start: true } decision)
            {
                var created = await jobs.CreateAsync(deployment, decision.Reason, rows: null, JobRunner.Actor, cancellationToken);
                if (created.Job is { } job)
                {
                    LogCreated(job.Id, deployment.Name, decision.Reason);
                    Wake();
                }
            }
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var watching = WatchAsync(stoppingToken);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await LookAsync(stoppingToken);
            }
            catch (Exception failure) when (failure is IOException or JsonException)
            {
                LogFailed(failure.Message);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                break;
            }

            await WaitAsync(stoppingToken);
        }

        await Task.WhenAll([watching, .. _running.Values]);
    }

    /// <summary>Whether the deployment has learnt enough new things. An operator's jobs neither use up rows nor cool anything down.</summary>
    private TriggerDecision Decide(Deployment deployment, IReadOnlyList<Stored<TrainingJob>> all)
    {
        var own = all.Select(job => job.Value).Where(job => job.Deployment == deployment.Name).ToList();
        var learnt = own.FindAll(job => job.UploadedRows is null);
        var seen = learnt
            .Where(job => job.Status is TrainingJobStatus.Succeeded or TrainingJobStatus.Rejected)
            .Max(job => (DateTimeOffset?)job.CreatedAt);
        var rows = _ledger.UsableRows(deployment.Name).Select(row => row.At);
        return TriggerPolicy.Decide(
            new TriggerState
            {
                NewRows = [.. seen is { } since ? rows.Where(at => at > since) : rows],
                JobActive = own.Exists(job => job.Active || job.AwaitsRollout),
                RolloutActive = deployment.RolloutId is not null,
                LastJobEndedAt = learnt.Max(job => job.EndedAt),
            },
            options.Trigger,
            clock.GetUtcNow());
    }

    /// <summary>Runs one job under the lease of its deployment; without the lease, or when it is lost, the job waits for the next look.</summary>
    private async Task RunAsync(string id, string deployment, CancellationToken cancellationToken)
    {
        var lease = jobs.LeaseOf(deployment);
        using var lost = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            // The job is read under the lease: another process may have ended it since it was listed.
            if (!await lease.KeepAsync(cancellationToken) || await jobs.FindAsync(id, cancellationToken) is not { Value.Active: true } job)
            {
                return;
            }

            var keeping = KeepAsync(lease, lost);
            try
            {
                await runner.RunAsync(job, _ledger.UsableRows(deployment), lost.Token);
            }
            finally
            {
                await lost.CancelAsync();
                await keeping;
            }
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested)
        {
            // The host is stopping, or another process has the lease: the job stays as it is.
        }
        catch (Exception failure) when (failure is IOException or JsonException)
        {
            LogFailed(failure.Message);
        }
        finally
        {
            await ReleaseAsync(lease);
            Wake();
        }
    }

    private async Task ReleaseAsync(HeldLease lease)
    {
        try
        {
            await lease.ReleaseAsync(CancellationToken.None);
        }
        catch (IOException failure)
        {
            // It runs out by itself.
            LogFailed(failure.Message);
        }
    }

    private async Task KeepAsync(HeldLease lease, CancellationTokenSource lost)
    {
        try
        {
            while (await lease.KeepAsync(lost.Token))
            {
                await Task.Delay(options.Lease / 4, clock, lost.Token);
            }

            await lost.CancelAsync();
        }
        catch (OperationCanceledException)
        {
            // The job has ended.
        }
        catch (IOException)
        {
            await lost.CancelAsync();
        }
    }

    private async Task WatchAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await foreach (var change in documents.WatchAsync(stoppingToken))
                {
                    // Feedback waits for the next poll, so that a burst costs one look; a job starts at once.
                    _ledger.Note(change);
                    if (change.Collection == Collections.Jobs)
                    {
                        Wake();
                    }
                }
            }
            catch (IOException failure)
            {
                LogFailed(failure.Message);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }

            // Changes may have been missed until the next watch begins.
            _ledger.Note(new DocumentChange("", ""));
            await Task.Delay(options.Poll, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task WaitAsync(CancellationToken stoppingToken)
    {
        using var poll = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        await Task.WhenAny(_wake.Reader.WaitToReadAsync(poll.Token).AsTask(), Task.Delay(options.Poll, clock, poll.Token));
        _wake.Reader.TryRead(out _);
        await poll.CancelAsync();
    }

    private void Wake() => _wake.Writer.TryWrite(true);

    [LoggerMessage(LogLevel.Information, "Training job {Id} of {Deployment} starts: {Reason}.")]
    private partial void LogCreated(string id, string deployment, string reason);

    [LoggerMessage(LogLevel.Warning, "The candidate of training job {Id} waits: {Reason}")]
    private partial void LogWaits(string id, string reason);

    [LoggerMessage(LogLevel.Warning, "The learning loop could not go on ({Failure}); it tries again.")]
    private partial void LogFailed(string failure);
}
