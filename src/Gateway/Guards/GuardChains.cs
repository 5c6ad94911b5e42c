using System.Collections.Concurrent;
using Gateway.Domain.Contracts;
using Gateway.Domain.Guards;

namespace Gateway.Guards;

/// <summary>
/// The guards of each contract behind those of every deployment, compiled once. Without any, a request costs one comparison.
/// Thread-safe.
/// </summary>
public sealed class GuardChains(GuardPolicy? everywhere, GuardClassifier classifier)
{
    private readonly ConcurrentDictionary<string, GuardChain> _byContract = new(StringComparer.Ordinal);
    private readonly GuardChain? _everywhere = everywhere is null ? null : new GuardChain(everywhere, contract: null, classifier);

    /// <summary>The chain of a contract, or null when nothing is guarded.</summary>
    public GuardChain? For(Contract? contract) =>
        contract?.Content.Guards is { Rules.Count: > 0 } own
            ? _byContract.GetOrAdd(contract.ContractHash, static (_, state) => new GuardChain(state.Everywhere, state.Own, state.Classifier), (Everywhere: everywhere, Own: own, Classifier: classifier))
            : _everywhere;
}

/// <summary>Guards for messages and for replies, in order. Immutable and thread-safe.</summary>
public sealed class GuardChain
{
    private const int DefaultWindow = 200;

    internal GuardChain(GuardPolicy? everywhere, GuardPolicy? contract, GuardClassifier classifier)
    {
        Classifier = classifier;
        Window = Math.Max(everywhere?.Window ?? 0, contract?.Window ?? 0) is > 0 and var window ? window : DefaultWindow;
        IReadOnlyList<GuardRule> rules = [.. everywhere?.Rules ?? [], .. contract?.Rules ?? []];
        (Input, InputClassifiers) = (Text(rules, GuardStage.Input), Http(rules, GuardStage.Input));
        (Output, OutputClassifiers) = (Text(rules, GuardStage.Output), Http(rules, GuardStage.Output));
    }

    internal GuardClassifier Classifier { get; }

    internal int Window { get; }

    internal IReadOnlyList<TextGuard> Input { get; }

    internal IReadOnlyList<TextGuard> Output { get; }

    internal IReadOnlyList<GuardRule> InputClassifiers { get; }

    internal IReadOnlyList<GuardRule> OutputClassifiers { get; }

    /// <summary>Begins to guard one request.</summary>
    public GuardSession Begin() => new(this);

    private static List<TextGuard> Text(IEnumerable<GuardRule> rules, GuardStage stage) =>
        [.. rules.Where(rule => rule.Kind != GuardKind.Http && rule.LooksAt(stage)).Select(rule => new TextGuard(rule))];

    private static List<GuardRule> Http(IEnumerable<GuardRule> rules, GuardStage stage) =>
        [.. rules.Where(rule => rule.Kind == GuardKind.Http && rule.LooksAt(stage))];
}
