using System.Globalization;
using Gateway.Api.Wire;
using Gateway.Domain.Limits;
using Gateway.Security;
using Gateway.Telemetry;

namespace Gateway.Limits;

/// <summary>A ticket, or the error to answer with; exactly one is set.</summary>
public readonly record struct Admission(LimitTicket? Ticket, ApiError? Error);

/// <summary>
/// Asks the ledger whether a key may go on, and tells the client how much is left. While the shared ledger does not answer,
/// the key's own policy decides. Callers without limits never come here. Thread-safe.
/// </summary>
public sealed partial class RequestLimiter(ILimitLedger ledger, LocalLimitLedger local, TimeProvider clock, ILogger<RequestLimiter> logger)
{
    /// <summary>Reserves what a request may use and writes the <c>x-ratelimit</c> headers.</summary>
    /// <param name="context">The request.</param>
    /// <param name="keyId">The key that pays.</param>
    /// <param name="limits">Its limits.</param>
    /// <param name="estimate">The most the request may use.</param>
    public async ValueTask<Admission> AdmitAsync(HttpContext context, string keyId, KeyLimits limits, TokenDemand estimate)
    {
        var reservation = new LimitReservation($"{Guid.NewGuid():N}", keyId, limits, estimate, clock.GetUtcNow());
        var counting = ledger;
        LimitVerdict verdict;
        try
        {
            verdict = await counting.ReserveAsync(reservation, context.RequestAborted);
        }
        catch (IOException failure)
        {
            LogNotCounted(failure.Message);
            if (limits.OnStoreFailure == StoreFailurePolicy.FailClosed)
            {
                Instruments.LimitDecision("unavailable");
                return new(null, ApiError.LimitsUnavailable());
            }

            if (failure.InnerException is not null)
            {
                // It was sent, so it may have been counted although no answer came.
                new LimitTicket(ledger, reservation, logger).Settle(default, refundRequest: true);
            }

            counting = local;
            verdict = await local.ReserveAsync(reservation, context.RequestAborted);
        }

        Instruments.LimitDecision(Name(verdict.Outcome));
        WriteHeaders(context.Response.Headers, limits, verdict);
        return verdict.Outcome == LimitOutcome.Granted
            ? new(new LimitTicket(counting, reservation, logger), null)
            : new(null, ErrorOf(verdict, limits, estimate));
    }

    /// <summary>Counts a call that uses no tokens; null when it may go on.</summary>
    public async ValueTask<ApiError?> CountAsync(HttpContext context, Caller caller)
    {
        var admission = await AdmitAsync(context, caller.KeyId!, caller.Limits!, default);
        admission.Ticket?.Settle(default(TokenDemand));
        return admission.Error;
    }

    private static ApiError ErrorOf(LimitVerdict verdict, KeyLimits limits, TokenDemand estimate)
    {
        var seconds = (int)Math.Clamp(Math.Ceiling(verdict.RetryAfter.TotalSeconds), 1, int.MaxValue);
        return verdict.Outcome switch
        {
            LimitOutcome.Requests => ApiError.RateLimitExceeded(
                $"This key may make {limits.RequestsPerMinute} requests per minute. Try again in {seconds} s.", seconds),
            LimitOutcome.Tokens => ApiError.RateLimitExceeded(
                string.Create(CultureInfo.InvariantCulture, $"This key may use {limits.TokensPerMinute} tokens per minute; {Math.Max(0, verdict.TokensLeft):0} are left and this request may use {estimate.Total}. Try again in {seconds} s, or lower max_completion_tokens."), seconds),
            LimitOutcome.Concurrency => ApiError.RateLimitExceeded(
                $"This key may have {limits.ConcurrentRequests} requests under way. Wait for one to end.", seconds),
            _ => ApiError.InsufficientQuota(BudgetMessage(limits.Budgets[verdict.Budget], verdict)),
        };
    }

    private static string BudgetMessage(Budget budget, LimitVerdict verdict) => string.Create(
        CultureInfo.InvariantCulture,
        $"The key's budget of {budget.Amount:0.######}{(budget.Unit == BudgetUnit.Tokens ? " tokens" : "")} per {(budget.Period == BudgetPeriod.Day ? "day" : "month")} has {verdict.BudgetLeft:0.######} left, which is less than this request may use. Lower max_completion_tokens, wait for the next {(budget.Period == BudgetPeriod.Day ? "day" : "month")} (UTC), or ask the operator for more.");

    private static void WriteHeaders(IHeaderDictionary headers, KeyLimits limits, LimitVerdict verdict)
    {
        if (limits.RequestsPerMinute is { } requests)
        {
            Write("requests", requests, verdict.RequestsLeft);
        }

        if (limits.TokensPerMinute is { } tokens)
        {
            Write("tokens", tokens, verdict.TokensLeft);
        }

        if (verdict.Outcome is LimitOutcome.Requests or LimitOutcome.Tokens)
        {
            headers["retry-after-ms"] = ((long)Math.Ceiling(verdict.RetryAfter.TotalMilliseconds)).ToString(CultureInfo.InvariantCulture);
        }

        void Write(string kind, int limit, double left)
        {
            headers[$"x-ratelimit-limit-{kind}"] = limit.ToString(CultureInfo.InvariantCulture);
            headers[$"x-ratelimit-remaining-{kind}"] = ((long)Math.Max(0, left)).ToString(CultureInfo.InvariantCulture);
            headers[$"x-ratelimit-reset-{kind}"] = Duration(LimitPolicy.TimeToRefill(limit - left, limit));
        }
    }

    /// <summary>A duration as OpenAI writes it: <c>20ms</c>, <c>1.5s</c>, <c>6m0s</c>.</summary>
    internal static string Duration(TimeSpan duration) => duration switch
    {
        { TotalSeconds: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{duration.TotalMilliseconds:0}ms"),
        { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{duration.TotalSeconds:0.###}s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(long)duration.TotalMinutes}m{duration.Seconds}s"),
    };

    private static string Name(LimitOutcome outcome) => outcome switch
    {
        LimitOutcome.Granted => "granted",
        LimitOutcome.Requests => "requests",
        LimitOutcome.Tokens => "tokens",
        LimitOutcome.Concurrency => "concurrency",
        _ => "budget",
    };

    [LoggerMessage(LogLevel.Debug, "Limits are not counted for all replicas ({Failure}); each key's policy decides.")]
    private partial void LogNotCounted(string failure);
}
