using Gateway.Domain.Jobs;
using Gateway.Domain.Storage;
using Gateway.Training;

namespace Gateway.Jobs;

/// <summary>Another process changed the job that this one runs.</summary>
internal sealed class JobTakenException(string id) : Exception($"Training job '{id}' was changed by another process.");

/// <summary>
/// The stored record of a job under way. Progress is kept at once and stored at most once per interval, by whoever reports
/// it or flushes next. Thread-safe.
/// </summary>
internal sealed class JobRecord(TrainingJobs jobs, Stored<TrainingJob> stored, TimeSpan interval, TimeProvider clock)
{
    private readonly Lock _gate = new();
    private long _version = stored.Version;
    private DateTimeOffset _savedAt;
    private JobProgress? _progress;
    private Task _saving = Task.CompletedTask;

    /// <summary>The job as last stored.</summary>
    public TrainingJob Job { get; private set; } = stored.Value;

    /// <summary>Takes progress from the child's output; returns at once.</summary>
    public void Report(RunProgress progress)
    {
        lock (_gate)
        {
            _progress = new JobProgress(progress.Stage, progress.Done, progress.Total, progress.Note);
            if (_saving.IsCompleted && clock.GetUtcNow() - _savedAt >= interval)
            {
                _savedAt = clock.GetUtcNow();
                _saving = SaveAsync(Job with { Progress = _progress }, CancellationToken.None);
            }
        }
    }

    /// <summary>Stores the last progress reported.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        await _saving;
        await SaveAsync(Job with { Progress = _progress ?? Job.Progress }, cancellationToken);
    }

    /// <summary>Stores a state.</summary>
    /// <exception cref="JobTakenException">Another process changed the job.</exception>
    public async Task SaveAsync(TrainingJob job, CancellationToken cancellationToken)
    {
        if (!await jobs.SaveAsync(job, _version, cancellationToken))
        {
            throw new JobTakenException(job.Id);
        }

        (Job, _version) = (job, _version + 1);
    }

    /// <summary>Stores the end of the job with its audit entry.</summary>
    /// <exception cref="JobTakenException">Another process changed the job.</exception>
    public async Task EndAsync(TrainingJob job, IReadOnlyList<DocumentWrite> alsoWrite, CancellationToken cancellationToken)
    {
        job = job with { EndedAt = clock.GetUtcNow() };
        if (!await jobs.RecordAsync(job, _version, $"job.{job.Status.ToString().ToLowerInvariant()}", JobRunner.Actor, alsoWrite, cancellationToken))
        {
            throw new JobTakenException(job.Id);
        }

        (Job, _version) = (job, _version + 1);
    }
}
