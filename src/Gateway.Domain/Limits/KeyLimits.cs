namespace Gateway.Domain.Limits;

/// <summary>What a budget counts.</summary>
public enum BudgetUnit
{
    /// <summary>Tokens of prompts and replies.</summary>
    Tokens,

    /// <summary>Money, by the key's <see cref="TokenPrices"/>.</summary>
    Cost,
}

/// <summary>The calendar period (UTC) after which a budget starts anew.</summary>
public enum BudgetPeriod
{
    /// <summary>A day.</summary>
    Day,

    /// <summary>A month.</summary>
    Month,
}

/// <summary>What happens to a request while the store that counts for all replicas does not answer.</summary>
public enum StoreFailurePolicy
{
    /// <summary>This replica counts by itself, so each of them grants the limit.</summary>
    FailOpen,

    /// <summary>The request is refused.</summary>
    FailClosed,
}

/// <summary>At most <see cref="Amount"/> of a unit in each period.</summary>
public sealed record Budget(BudgetUnit Unit, BudgetPeriod Period, double Amount);

/// <summary>Money per million tokens.</summary>
public sealed record TokenPrices(double Input, double Output);

/// <summary>What a key may use up; null means no limit of that kind.</summary>
public sealed record KeyLimits
{
    /// <summary>Requests: a bucket of this size that refills in a minute.</summary>
    public int? RequestsPerMinute { get; init; }

    /// <summary>Tokens of prompts and replies: a bucket of this size that refills in a minute.</summary>
    public int? TokensPerMinute { get; init; }

    /// <summary>Replies under way at a time.</summary>
    public int? ConcurrentRequests { get; init; }

    /// <summary>Amounts per day and month.</summary>
    public IReadOnlyList<Budget> Budgets { get; init; } = [];

    /// <summary>What tokens cost; needed by budgets of cost.</summary>
    public TokenPrices? Prices { get; init; }

    /// <summary>What happens while the store does not answer.</summary>
    public StoreFailurePolicy OnStoreFailure { get; init; }
}

/// <summary>Tokens of one request: an estimate before, the truth after it.</summary>
public readonly record struct TokenDemand(long Input, long Output)
{
    /// <summary>Both together.</summary>
    public long Total => Input + Output;

    /// <summary>What a budget counts for it.</summary>
    public double AmountOf(BudgetUnit unit, TokenPrices? prices) => unit == BudgetUnit.Tokens
        ? Total
        : prices is null ? 0 : ((Input * prices.Input) + (Output * prices.Output)) / 1_000_000;
}
