using Gateway.Domain.Contracts;
using Gateway.Training.Sft;

namespace Gateway.Training;

/// <summary>
/// The host's snapshot of a training run, <c>request.json</c>: with <c>rows.jsonl</c>, <c>general-prompts.jsonl</c> and, when
/// the stable release has an adapter, the folder <c>stable/</c>, it is all the child process needs besides the base model.
/// </summary>
public sealed record RunRequest
{
    /// <summary>The job.</summary>
    public required string JobId { get; init; }

    /// <summary>The deployment to improve.</summary>
    public required string Deployment { get; init; }

    /// <summary>Folder of the frozen base model; read only.</summary>
    public required string ModelDirectory { get; init; }

    /// <summary>The base model's fingerprint; another model in the folder fails the run.</summary>
    public required string BaseFingerprint { get; init; }

    /// <summary>The contract rows are rendered and replies are judged under, or null.</summary>
    public Contract? Contract { get; init; }

    /// <summary>Settings of the fine-tuning.</summary>
    public SftSettings Settings { get; init; } = new();

    /// <summary>Seed of initialisation, order and sampling.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Compute threads.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>When the snapshot was taken.</summary>
    public required DateTimeOffset CreatedAt { get; init; }
}
