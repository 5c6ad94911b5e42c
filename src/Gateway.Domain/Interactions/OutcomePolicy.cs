using Gateway.Domain.Rollouts;

namespace Gateway.Domain.Interactions;

/// <summary>Turns an interaction and the feedback on it into the outcome a rollout counts.</summary>
/// <remarks>
/// Every request that reached an arm has an outcome, so a failing arm cannot lose its failures:
/// <list type="bullet">
/// <item>a failure in the worker is bad on every guardrail;</item>
/// <item>a client that left before any token got nothing: <c>complete</c> is bad (a hanging candidate shows there, and
/// impatience that both arms share cancels in the pairs), the others have nothing against them and are good;</item>
/// <item>a client that left during the reply is good on <c>schema_valid</c> and <c>complete</c>: what it saw was fine so far;</item>
/// <item>a request refused for the caller's fault reached no arm and has none.</item>
/// </list>
/// </remarks>
public static class OutcomePolicy
{
    /// <summary>When the attribution window of <paramref name="interaction"/> closes; its outcome is fixed from then on.</summary>
    public static DateTimeOffset ClosesAt(Interaction interaction, TimeSpan window) =>
        interaction.CreatedAt + TimeSpan.FromMilliseconds(interaction.Timings.TotalMs) + window;

    /// <summary>
    /// The outcome, one value per guardrail in their order, or null when the interaction is in no arm. Feedback counts when
    /// it came, and was not retracted, before the window closed; so the outcome is the same whenever it is computed after that.
    /// </summary>
    /// <exception cref="ArgumentException">A guardrail has a name that no rule measures.</exception>
    public static Outcome? Judge(
        Interaction interaction, IReadOnlyList<Feedback> feedback, IReadOnlyList<Guardrail> guardrails, TimeSpan window)
    {
        if (interaction.Arm == Arm.Stable || interaction.UnitHash is null
            || (interaction.End == EndReason.Refused && interaction.Status < 500))
        {
            return null;
        }

        var closes = ClosesAt(interaction, window);
        var counted = feedback.Where(f => f.ResponseId == interaction.Id && f.CreatedAt <= closes && !(f.RetractedAt <= closes)).ToList();
        return new(interaction.UnitHash, interaction.Arm, [.. guardrails.Select(g => IsGood(g, interaction, counted))]);
    }

    private static bool IsGood(Guardrail guardrail, Interaction interaction, List<Feedback> feedback)
    {
        var failed = Has(FlagKind.Error) || interaction.End is EndReason.WorkerFailed or EndReason.Refused;
        var nothingArrived = interaction.End == EndReason.ClientGone && interaction.Timings.FirstTokenMs is null;
        return !failed && guardrail.Name switch
        {
            "schema_valid" => !Has(FlagKind.SchemaViolation),
            "complete" => !nothingArrived && !Has(FlagKind.Empty) && !Has(FlagKind.Refusal) && !Has(FlagKind.Truncated),
            "quality" => !feedback.Exists(f => f.Thumbs == false || f.Kind == FeedbackKind.Correction),
            _ => throw new ArgumentException($"No rule measures the guardrail '{guardrail.Name}'; use schema_valid, complete or quality.", nameof(guardrail)),
        };

        bool Has(FlagKind kind) => interaction.Flags.Any(flag => flag.Kind == kind);
    }
}
