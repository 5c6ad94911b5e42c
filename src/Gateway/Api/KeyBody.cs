using System.Text.Json.Serialization;
using Gateway.Api.Wire;
using Gateway.Domain.Keys;
using Gateway.Domain.Limits;

namespace Gateway.Api;

/// <summary>Body of a new key.</summary>
internal sealed record CreateKey(
    string? Name, string? Owner, KeyScope[]? Scopes, string[]? Models, string? CacheSalt, DateTimeOffset? ExpiresAt, LimitsBody? Limits, string? Reason)
{
    private const int MaximumNameLength = 128;
    private const int MaximumModels = 256;

    /// <summary>The key to make, or the first thing wrong with the body.</summary>
    public (ApiKey? Draft, ApiError? Error) Read(DateTimeOffset now)
    {
        var granted = (Scopes ?? []).Aggregate(KeyScope.None, (all, scope) => all | scope);
        var owner = string.IsNullOrWhiteSpace(Owner) && granted.HasFlag(KeyScope.Operator) ? "operator" : Owner;
        var error =
            granted == KeyScope.None ? ApiError.InvalidValue("scopes", "expected at least one of inference, feedback, metrics and operator.")
            : string.IsNullOrWhiteSpace(owner) ? ApiError.MissingParameter("owner")
            : owner.Length > MaximumNameLength ? ApiError.InvalidValue("owner", $"expected at most {MaximumNameLength} characters.")
            : Name?.Length > MaximumNameLength ? ApiError.InvalidValue("name", $"expected at most {MaximumNameLength} characters.")
            : CacheSalt?.Length > MaximumNameLength ? ApiError.InvalidValue("cache_salt", $"expected at most {MaximumNameLength} characters.")
            : Models?.Length is 0 or > MaximumModels ? ApiError.InvalidValue("models", $"expected 1 to {MaximumModels} names, or leave it out for all models.")
            : ExpiresAt <= now ? ApiError.InvalidValue("expires_at", "expected a time in the future.")
            : Limits?.Problem();
        return error is not null ? (null, error) : (
            new ApiKey
            {
                Id = "",
                Name = Name,
                Hash = "",
                Scopes = [.. Scopes!.Distinct().Where(scope => scope != KeyScope.None)],
                Owner = owner!,
                Models = Models,
                CacheSalt = CacheSalt ?? "",
                Limits = Limits?.ToLimits(),
                CreatedAt = now,
                CreatedBy = "",
                ExpiresAt = ExpiresAt,
            },
            null);
    }
}

/// <summary>Limits of a key as operators write and read them.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record LimitsBody(
    int? RequestsPerMinute, int? TokensPerMinute, int? ConcurrentRequests, BudgetBody[]? Budgets, PricesBody? Prices, StoreFailurePolicy? OnStoreFailure)
{
    private const int MaximumBudgets = 4;

    /// <summary>What <paramref name="limits"/> say.</summary>
    public static LimitsBody? Of(KeyLimits? limits) => limits is null ? null : new(
        limits.RequestsPerMinute, limits.TokensPerMinute, limits.ConcurrentRequests,
        [.. limits.Budgets.Select(budget => new BudgetBody(budget.Unit, budget.Period, budget.Amount))],
        limits.Prices is { } prices ? new(prices.Input, prices.Output) : null, limits.OnStoreFailure);

    /// <summary>What is wrong with them, or null.</summary>
    public ApiError? Problem()
    {
        var budgets = Budgets ?? [];
        return RequestsPerMinute < 1 ? Positive("requests_per_minute")
            : TokensPerMinute < 1 ? Positive("tokens_per_minute")
            : ConcurrentRequests < 1 ? Positive("concurrent_requests")
            : budgets.Length > MaximumBudgets ? ApiError.InvalidValue("limits.budgets", $"expected at most {MaximumBudgets}.")
            : Array.Exists(budgets, budget => budget.Unit is null || budget.Per is null || budget.Amount is not (> 0 and < 1e15))
                ? ApiError.InvalidValue("limits.budgets", "expected 'unit' (tokens, cost), 'per' (day, month) and a positive 'amount' in each.")
            : budgets.GroupBy(budget => (budget.Unit, budget.Per)).Any(group => group.Count() > 1)
                ? ApiError.InvalidValue("limits.budgets", "expected one budget per unit and period.")
            : Array.Exists(budgets, budget => budget.Unit == BudgetUnit.Cost) && Prices is null ? ApiError.MissingParameter("limits.prices")
            : Prices is not (null or { Input: >= 0, Output: >= 0 }) ? ApiError.InvalidValue("limits.prices", "expected 'input' and 'output', money per million tokens.")
            : null;

        static ApiError Positive(string name) => ApiError.InvalidValue("limits." + name, "expected a positive integer, or leave it out for no limit.");
    }

    /// <summary>The limits; call it when there is no problem.</summary>
    public KeyLimits ToLimits() => new()
    {
        RequestsPerMinute = RequestsPerMinute,
        TokensPerMinute = TokensPerMinute,
        ConcurrentRequests = ConcurrentRequests,
        Budgets = [.. (Budgets ?? []).Select(budget => new Budget(budget.Unit!.Value, budget.Per!.Value, budget.Amount!.Value))],
        Prices = Prices is { } prices ? new(prices.Input!.Value, prices.Output!.Value) : null,
        OnStoreFailure = OnStoreFailure ?? StoreFailurePolicy.FailOpen,
    };
}

/// <summary>One budget.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record BudgetBody(BudgetUnit? Unit, BudgetPeriod? Per, double? Amount);

/// <summary>Money per million tokens.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
internal sealed record PricesBody(double? Input, double? Output);

/// <summary>A key as operators see it; the secret only when it was made just now.</summary>
internal sealed record KeyReply(
    string Id, string Object, string? Secret, string? Name, string Owner, IReadOnlyList<KeyScope> Scopes, IReadOnlyList<string>? Models, LimitsBody? Limits,
    string Status, DateTimeOffset CreatedAt, string CreatedBy, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt, DateTimeOffset? RotatedAt,
    DateTimeOffset? PreviousUntil)
{
    /// <summary>The reply for a key at a time.</summary>
    public static KeyReply Of(ApiKey key, string? secret, DateTimeOffset now) => new(
        key.Id, "api_key", secret, key.Name, key.Owner, key.Scopes, key.Models, LimitsBody.Of(key.Limits),
        key.RevokedAt is not null ? "revoked" : key.IsActive(now) ? "active" : "expired",
        key.CreatedAt, key.CreatedBy, key.ExpiresAt, key.RevokedAt, key.RotatedAt, key.PreviousUntil);
}
