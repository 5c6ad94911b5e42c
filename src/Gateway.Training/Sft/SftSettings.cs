namespace Gateway.Training.Sft;

/// <summary>Settings of one LoRA fine-tuning run; the defaults are those of the learning loop.</summary>
public sealed record SftSettings
{
    /// <summary>Rank of every adapter module.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>LoRA alpha; the update is scaled by alpha / rank.</summary>
    public double Alpha { get; init; } = 32;

    /// <summary>Peak learning rate, or null for the default of the model's size.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Most passes over the data; early stopping may end sooner.</summary>
    public int MaxEpochs { get; init; } = 24;

    /// <summary>Rows per optimiser step.</summary>
    public int BatchRows { get; init; } = 8;

    /// <summary>Share of the steps spent on warm-up.</summary>
    public double WarmupShare { get; init; } = 0.05;

    /// <summary>Epochs without a better validation loss before the run stops.</summary>
    public int Patience { get; init; } = 6;

    /// <summary>Gradients are scaled down to this global norm.</summary>
    public double MaxGradientNorm { get; init; } = 1;

    /// <summary>Share of the training tokens that is self-generated replay.</summary>
    public double ReplayShare { get; init; } = 0.2;

    /// <summary>Largest loss increase on general prompts the gate accepts, in nats per token (upper end of the interval).</summary>
    public double MaxForgetting { get; init; } = 0.25;

    /// <summary>Fewest curated training rows; a run with fewer is refused.</summary>
    public int MinimumRows { get; init; } = 10;

    /// <summary>
    /// The learning rate of a base model with <paramref name="parameters"/> weights: 2e-4 as in TRL and QLoRA, and 2e-3 for
    /// very small models, from a sweep on the starter (docs/log.md).
    /// </summary>
    public double LearningRateFor(long parameters) => LearningRate ?? (parameters < 20_000_000 ? 2e-3 : 2e-4);
}
