namespace Gateway.Model.Lora;

/// <summary>PEFT's rules for which module paths an adapter touches, with the patterns compiled once.</summary>
internal sealed class LoraTargetMatcher
{
    private readonly LoraSpec _spec;
    private readonly ModulePattern? _target;
    private readonly ModulePattern? _exclude;
    private readonly List<ModulePattern> _layerPatterns;
    private readonly List<(ModulePattern Pattern, int Rank)> _ranks;
    private readonly List<(ModulePattern Pattern, double Alpha)> _alphas;

    /// <summary>Compiles the patterns of a spec.</summary>
    public LoraTargetMatcher(LoraSpec spec)
    {
        _spec = spec;
        _target = spec.TargetExpression is { } target && !IsAllLinear(target) ? ModulePattern.Full("target_modules", target) : null;
        _exclude = spec.ExcludeExpression is { } exclude ? ModulePattern.Full("exclude_modules", exclude) : null;
        var layerPatterns = spec.LayersPattern.Count > 0 ? spec.LayersPattern : [@"[^.]*"];
        _layerPatterns = [.. layerPatterns.Select(pattern => ModulePattern.LayerIndex("layers_pattern", pattern))];
        _ranks = [.. spec.RankPattern.Select(pair => (ModulePattern.Suffix("rank_pattern", pair.Key), pair.Value))];
        _alphas = [.. spec.AlphaPattern.Select(pair => (ModulePattern.Suffix("alpha_pattern", pair.Key), pair.Value))];
    }

    /// <summary>True when the adapter changes the module at <paramref name="path"/>.</summary>
    public bool IsTarget(string path)
    {
        if (_exclude?.IsMatch(path) == true || _spec.ExcludeModules.Any(name => IsPathOrSuffix(name, path)))
        {
            return false;
        }

        if (_spec.TargetExpression is { } expression)
        {
            return IsAllLinear(expression) ? path.StartsWith("model.layers.", StringComparison.Ordinal) : _target!.IsMatch(path);
        }

        // An exact path is a target whatever layers_to_transform says; only suffixes are narrowed by it.
        return _spec.TargetModules.Contains(path, StringComparer.Ordinal)
            || (_spec.TargetModules.Any(name => IsPathOrSuffix(name, path)) && IsChosenLayer(path));
    }

    /// <summary>Rank and alpha of a target: the first matching pattern, else the spec's own.</summary>
    /// <exception cref="InvalidAdapterException">The rank is not positive.</exception>
    public (int Rank, double Alpha) RankAndAlpha(string path)
    {
        var rank = _ranks.Where(pair => pair.Pattern.IsMatch(path)).Select(pair => pair.Rank).FirstOrDefault(_spec.Rank);
        var alpha = _alphas.Where(pair => pair.Pattern.IsMatch(path)).Select(pair => pair.Alpha).FirstOrDefault(_spec.Alpha);
        return rank > 0
            ? (rank, alpha)
            : throw new InvalidAdapterException($"adapter_config.json: the rank of '{path}' is {rank}; r and rank_pattern must be above zero.");
    }

    /// <summary>True when <paramref name="path"/> equals <paramref name="name"/> or ends with it after a dot.</summary>
    private static bool IsPathOrSuffix(string name, string path)
        => string.Equals(path, name, StringComparison.Ordinal) || path.EndsWith($".{name}", StringComparison.Ordinal);

    private static bool IsAllLinear(string expression) => string.Equals(expression, LoraSpec.AllLinear, StringComparison.OrdinalIgnoreCase);

    private bool IsChosenLayer(string path)
    {
        if (_spec.LayersToTransform is not { } layers)
        {
            return true;
        }

        var index = _layerPatterns.Select(pattern => pattern.IndexIn(path)).FirstOrDefault(index => index is not null);
        return index is { } layer && layers.Contains(layer);
    }
}
