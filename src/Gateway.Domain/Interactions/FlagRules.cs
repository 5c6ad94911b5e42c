namespace Gateway.Domain.Interactions;

/// <summary>
/// How the replies of one contract are judged. The default judges everything that needs no objective; a failed request is
/// always marked.
/// </summary>
public sealed record FlagRules
{
    /// <summary>Kinds of flags that are not set; <see cref="FlagKind.Error"/> and <see cref="FlagKind.GuardHit"/> cannot be listed.</summary>
    public IReadOnlyList<FlagKind> Off { get; init; } = [];

    /// <summary>Further openings that mark a reply as a refusal, for example in the contract's own language; case does not matter.</summary>
    public IReadOnlyList<string> RefusalOpenings { get; init; } = [];

    /// <summary>Longest time to the first token within the objective, in milliseconds; null for none.</summary>
    public int? FirstTokenMs { get; init; }

    /// <summary>Longest total time within the objective, in milliseconds; null for none.</summary>
    public int? TotalMs { get; init; }

    /// <summary>How often in a row the end of a reply must say the same to count as repeated; null is <see cref="DefaultRepetitions"/>.</summary>
    public int? Repetitions { get; init; }

    /// <summary>Repetitions where a contract says nothing.</summary>
    public const int DefaultRepetitions = 4;

    /// <summary>What is wrong with the rules, by pointer into them; empty when they may be stored.</summary>
    public IReadOnlyList<Contracts.JsonProblem> Check()
    {
        var problems = new List<Contracts.JsonProblem>();
        Require(!Off.Any(kind => kind is FlagKind.Error or FlagKind.GuardHit), "/off", "must not list 'error' or 'guard_hit', which are always set");
        Require(!RefusalOpenings.Any(string.IsNullOrWhiteSpace), "/refusal_openings", "must be non-empty strings");
        Require(FirstTokenMs is null or >= 1, "/first_token_ms", "must be 1 or more");
        Require(TotalMs is null or >= 1, "/total_ms", "must be 1 or more");
        Require(Repetitions is null or >= 2, "/repetitions", "must be 2 or more");
        return problems;

        void Require(bool holds, string pointer, string message)
        {
            if (!holds)
            {
                problems.Add(new(pointer, message));
            }
        }
    }
}
