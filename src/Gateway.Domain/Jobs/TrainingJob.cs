namespace Gateway.Domain.Jobs;

/// <summary>How far a training job is.</summary>
public enum TrainingJobStatus
{
    /// <summary>Created, not yet started.</summary>
    Queued,

    /// <summary>Its run folder is being worked on.</summary>
    Running,

    /// <summary>The gate let the candidate through; it is registered.</summary>
    Succeeded,

    /// <summary>The run broke; <see cref="TrainingJob.Error"/> says why.</summary>
    Failed,

    /// <summary>The run finished and the gate or the curation refused the result.</summary>
    Rejected,
}

/// <summary>How far the run of a job is: units done of a stage, and a figure worth showing.</summary>
public sealed record JobProgress(string Stage, int Done, int Total, string Note);

/// <summary>An estimate of the job's report with its 95 % interval and the number of items behind it.</summary>
public sealed record JobFigure(double Value, double Low, double High, int N);

/// <summary>One training job of a deployment: the record beside its run folder.</summary>
public sealed record TrainingJob
{
    /// <summary><c>job_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>The deployment it learns for.</summary>
    public required string Deployment { get; init; }

    /// <summary>How far it is.</summary>
    public required TrainingJobStatus Status { get; init; }

    /// <summary>The run folder, relative to the data folder.</summary>
    public required string Folder { get; init; }

    /// <summary>The release that served when it was created; the candidate keeps its contract.</summary>
    public required string StableReleaseId { get; init; }

    /// <summary>The release built from the new generation, or null before.</summary>
    public string? CandidateReleaseId { get; init; }

    /// <summary>The adapter generation it made, or null before.</summary>
    public string? Generation { get; init; }

    /// <summary>Why it was started.</summary>
    public required string Trigger { get; init; }

    /// <summary>Rows by what became of them, such as <c>correction</c>, <c>thumbs_up</c>, <c>no_target</c>, <c>duplicate</c>.</summary>
    public IReadOnlyDictionary<string, int> Counts { get; init; } = new Dictionary<string, int>(StringComparer.Ordinal);

    /// <summary>The gate's verdict, or null before.</summary>
    public string? Verdict { get; init; }

    /// <summary>The gate's reasons with their numbers.</summary>
    public IReadOnlyList<string> Reasons { get; init; } = [];

    /// <summary>The report's estimates by name, such as <c>accuracy_gain</c>.</summary>
    public IReadOnlyDictionary<string, JobFigure> Figures { get; init; } = new Dictionary<string, JobFigure>(StringComparer.Ordinal);

    /// <summary>Number of rows an operator brought, or null for a job on the deployment's feedback.</summary>
    public int? UploadedRows { get; init; }

    /// <summary>How far its run is, or null before.</summary>
    public JobProgress? Progress { get; init; }

    /// <summary>True while a candidate that passed waits for its rollout to start.</summary>
    public bool AwaitsRollout { get; init; }

    /// <summary>The rollout of its candidate, or null.</summary>
    public string? RolloutId { get; init; }

    /// <summary>When it was created.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When it last started, or null.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended, or null.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Why it failed, or null.</summary>
    public string? Error { get; init; }

    /// <summary>True while it is queued or running.</summary>
    public bool Active => Status is TrainingJobStatus.Queued or TrainingJobStatus.Running;
}
