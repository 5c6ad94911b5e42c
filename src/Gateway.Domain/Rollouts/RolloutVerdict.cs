namespace Gateway.Domain.Rollouts;

/// <summary>What is to be done with a candidate.</summary>
public enum RolloutVerdict
{
    /// <summary>Go on; the ramp rises when the step's gates hold.</summary>
    Running,

    /// <summary>A harm process crossed: the candidate loses its traffic.</summary>
    RollbackHarm,

    /// <summary>A failure that needs no statistics, or an operator: the candidate loses its traffic.</summary>
    RollbackHard,

    /// <summary>Every guardrail is safe and every step was held: the candidate takes the deployment.</summary>
    Promote,

    /// <summary>The limit of pairs or time came first: stable keeps all traffic, the candidate may be tried again.</summary>
    Inconclusive,

    /// <summary>The arms do not get equal numbers of units: the ramp stops, promotion is barred, harm is still watched.</summary>
    BlockedSrm,

    /// <summary>No data, or paused: the ramp stops until that changes.</summary>
    Hold,
}
