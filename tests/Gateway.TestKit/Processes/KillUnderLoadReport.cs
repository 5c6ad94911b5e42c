using System.Globalization;

namespace Gateway.TestKit.Processes;

/// <summary>What is killed.</summary>
public enum Victim
{
    /// <summary>The store of all gateways.</summary>
    Redis,

    /// <summary>One of two workers.</summary>
    Worker,

    /// <summary>One of two gateways.</summary>
    Gateway,
}

/// <summary>What a kill under load did.</summary>
/// <param name="Victim">What was killed.</param>
/// <param name="Replies">Whole replies received.</param>
/// <param name="Feedback">Feedback acknowledged.</param>
/// <param name="ControlChanges">Control changes acknowledged.</param>
/// <param name="Lost">Of feedback, control changes and replies, acknowledged but not there afterwards; must be 0.</param>
/// <param name="InWindow">Replies that ended within a second before the kill of their own gateway and are not there: the documented commit window.</param>
/// <param name="Wrong">Replies that looked whole and were not what the model says alone; must be 0.</param>
/// <param name="Failed">Chats that failed, at the killed gateway and elsewhere.</param>
/// <param name="FailedElsewhere">Of those, not at the killed gateway.</param>
/// <param name="Strict">Requests granted to the key that is refused while nobody counts.</param>
/// <param name="StrictAllowed">The most its limit allows in that time.</param>
/// <param name="Open">Requests granted to the key that each replica counts for itself meanwhile.</param>
/// <param name="OpenAllowed">The most its limit and the documented slack allow.</param>
/// <param name="OutageSeconds">From the kill until the victim was started again.</param>
/// <param name="RecoverySeconds">From that start until everything worked again.</param>
/// <param name="FirstProblem">The first failed, lost or wrong thing.</param>
public sealed record KillUnderLoadReport(
    Victim Victim, int Replies, int Feedback, int ControlChanges, int Lost, int InWindow, int Wrong, int Failed, int FailedElsewhere,
    int Strict, int StrictAllowed, int Open, int OpenAllowed, double OutageSeconds, double RecoverySeconds, string? FirstProblem)
{
    /// <summary>The first claim that does not hold, or null.</summary>
    public string? Broken() =>
        Lost > 0 ? $"{Lost} acknowledged things are lost."
        : Wrong > 0 ? $"{Wrong} replies were wrong."
        : Strict > StrictAllowed ? $"A key was granted {Strict} requests where its limit allows {StrictAllowed}."
        : Open > OpenAllowed ? $"A key was granted {Open} requests where its limit and slack allow {OpenAllowed}."
        : Victim != Victim.Worker && FailedElsewhere > 0 ? $"{FailedElsewhere} chats failed that the {Victim} had no part in."
        : Victim == Victim.Worker && FailedElsewhere > KillUnderLoad.Clients + KillUnderLoad.LimitedClients
            ? $"{FailedElsewhere} chats failed, more than were under way."
        : Replies == 0 || Feedback == 0 || ControlChanges == 0 || Strict == 0 ? "There was nothing to lose."
        : null;

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Victim} killed: acknowledged {Feedback} feedback, {ControlChanges} control changes, {Replies} replies; lost {Lost} (and {InWindow} in the commit window); wrong {Wrong}; failed chats {Failed}, elsewhere {FailedElsewhere}; granted {Strict} of {StrictAllowed} (fail_closed), {Open} of {OpenAllowed} (fail_open); down {OutageSeconds:F1} s, recovered {RecoverySeconds:F2} s after the start{(FirstProblem is null ? "" : $"; first: {FirstProblem}")}");
}
