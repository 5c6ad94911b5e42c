namespace Gateway.Domain.Limits;

/// <summary>What stood in the way of a request, or nothing.</summary>
public enum LimitOutcome
{
    /// <summary>It may go on; what it may use is reserved.</summary>
    Granted,

    /// <summary>Too many requests in the last minute.</summary>
    Requests,

    /// <summary>Too many tokens in the last minute.</summary>
    Tokens,

    /// <summary>Too many replies under way.</summary>
    Concurrency,

    /// <summary>A budget is used up, or its rest is too small.</summary>
    Budget,
}

/// <summary>The answer to a reservation. Nothing is taken unless it is <see cref="LimitOutcome.Granted"/>.</summary>
/// <param name="Outcome">What was decided.</param>
/// <param name="RequestsLeft">Requests left in the bucket.</param>
/// <param name="TokensLeft">Tokens left in the bucket.</param>
/// <param name="RetryAfter">When the same request may pass, as far as the bucket that refused it tells.</param>
/// <param name="Budget">Place of the budget that refused it.</param>
/// <param name="BudgetLeft">What is left of it.</param>
public readonly record struct LimitVerdict(
    LimitOutcome Outcome, double RequestsLeft, double TokensLeft, TimeSpan RetryAfter = default, int Budget = -1, double BudgetLeft = 0);
