using Gateway.Domain.Jobs;
using Gateway.Domain.Rollouts;
using Gateway.Hosting;
using Gateway.Training.Sft;

namespace Gateway.Jobs;

/// <summary>Settings of the learning loop of one process.</summary>
public sealed record LearningOptions
{
    /// <summary>Folder of the frozen base model, handed to training runs.</summary>
    public string ModelDirectory { get; init; } = ServeOptions.StarterModel;

    /// <summary>The general prompts for replay and for the forgetting measure, JSON Lines.</summary>
    public string GeneralPrompts { get; init; } = Path.Combine(AppContext.BaseDirectory, "Starter", "general-prompts.jsonl");

    /// <summary>When a deployment learns.</summary>
    public TriggerOptions Trigger { get; init; } = new();

    /// <summary>Settings of the fine-tuning.</summary>
    public SftSettings Training { get; init; } = new();

    /// <summary>Compute threads of a training run.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>Limits and error budget of the rollouts this process starts.</summary>
    public RolloutOptions Rollout { get; init; } = new();

    /// <summary>Longest time between two looks for work; a change in the store is looked at sooner.</summary>
    public TimeSpan Poll { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Time between two looks at the evidence of a rollout.</summary>
    public TimeSpan RolloutTick { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>This process in the leases it holds.</summary>
    public string Owner { get; init; } = $"{Environment.MachineName}/{Environment.ProcessId}/{Guid.NewGuid():N}";

    /// <summary>How long a lease outlives its holder; a crashed process's work is taken up after it.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Least time between two progress records of one job.</summary>
    public TimeSpan ProgressInterval { get; init; } = TimeSpan.FromSeconds(1);
}
