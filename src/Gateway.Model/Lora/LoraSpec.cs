using Gateway.Model.Weights;

namespace Gateway.Model.Lora;

/// <summary>
/// What adapter_config.json says about the maths: which modules are adapted, with which rank and alpha. Immutable; the
/// rules are those of Hugging Face PEFT.
/// </summary>
public sealed record LoraSpec
{
    /// <summary>The value of <see cref="TargetModules"/> that adapts every linear map but the head.</summary>
    public const string AllLinear = "all-linear";

    /// <summary>Rank of modules that no <see cref="RankPattern"/> matches.</summary>
    public required int Rank { get; init; }

    /// <summary>Alpha of modules that no <see cref="AlphaPattern"/> matches.</summary>
    public required double Alpha { get; init; }

    /// <summary>True for a scale of alpha/√rank instead of alpha/rank.</summary>
    public bool UseRsLora { get; init; }

    /// <summary>Dropout on the adapter's input during training.</summary>
    public double Dropout { get; init; }

    /// <summary>Module paths or dotted suffixes; empty when <see cref="TargetExpression"/> is used.</summary>
    public IReadOnlyList<string> TargetModules { get; init; } = [];

    /// <summary>A regular expression for whole module paths or <see cref="AllLinear"/>; null when a list is used.</summary>
    public string? TargetExpression { get; init; }

    /// <summary>Module paths or dotted suffixes that are left out.</summary>
    public IReadOnlyList<string> ExcludeModules { get; init; } = [];

    /// <summary>A regular expression for whole module paths that are left out.</summary>
    public string? ExcludeExpression { get; init; }

    /// <summary>Layers that suffix targets apply to; null for all.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; init; }

    /// <summary>Names that precede the layer index in a path; empty for any.</summary>
    public IReadOnlyList<string> LayersPattern { get; init; } = [];

    /// <summary>Ranks by pattern; the first match in this order wins.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> RankPattern { get; init; } = [];

    /// <summary>Alphas by pattern; the first match in this order wins.</summary>
    public IReadOnlyList<KeyValuePair<string, double>> AlphaPattern { get; init; } = [];

    /// <summary>Name or path of the base model as the adapter states it.</summary>
    public string? BaseModel { get; init; }

    /// <summary>Fields that this project does not know and that were empty, so that ignoring them is harmless.</summary>
    public IReadOnlyList<string> IgnoredFields { get; init; } = [];

    /// <summary>A spec that adapts the given projections of every layer with one rank.</summary>
    public static LoraSpec Create(int rank, double alpha, params IEnumerable<Projection> projections) => new()
    {
        Rank = rank,
        Alpha = alpha,
        TargetModules = [.. projections.Select(projection => projection.Path(0).Split('.')[^1])],
    };

    /// <summary>The modules of a base model that this spec adapts, in the order of the forward pass.</summary>
    /// <exception cref="InvalidAdapterException">A pattern is broken, a rank is not positive, or nothing is adapted.</exception>
    public IReadOnlyList<LoraTarget> Resolve(ModelConfig config)
    {
        var matcher = new LoraTargetMatcher(this);
        var targets = new List<LoraTarget>();
        for (var layer = 0; layer < config.LayerCount; layer++)
        {
            foreach (var projection in Projections.All)
            {
                var path = projection.Path(layer);
                if (matcher.IsTarget(path))
                {
                    var (rank, alpha) = matcher.RankAndAlpha(path);
                    targets.Add(new LoraTarget(layer, projection, rank, (float)(alpha / (UseRsLora ? Math.Sqrt(rank) : rank))));
                }
            }
        }

        foreach (var outside in (string[])["lm_head", "model.embed_tokens"])
        {
            if (matcher.IsTarget(outside))
            {
                throw new InvalidAdapterException($"adapter_config.json: target_modules matches '{outside}'; adapters of the head or the embedding are not supported, so train without it.");
            }
        }

        return targets.Count > 0
            ? targets
            : throw new InvalidAdapterException("adapter_config.json: target_modules matches no module of this base model; use an adapter made for it.");
    }
}
