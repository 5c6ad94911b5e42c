using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Gateway.Domain.Limits;
using Gateway.Storage;
using Gateway.Storage.Redis;
using StackExchange.Redis;

namespace Gateway.Limits;

/// <summary>
/// Counts in Redis, for all replicas: one script per call. A reservation must be answered at once, because a request waits
/// for it; settling goes on trying for a while. A reservation whose process died is given up after its longest life.
/// </summary>
internal sealed class RedisLimitLedger(RedisConnection connection, RedisKeys keys, TimeSpan longestReply, TimeProvider clock) : ILimitLedger
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RestAfterFailure = TimeSpan.FromMilliseconds(500);
    private static readonly Script Reserve = new(RedisLimitScripts.Reserve);
    private static readonly Script Settle = new(RedisLimitScripts.Settle);

    private readonly long _lifeMilliseconds = (long)(longestReply + TimeSpan.FromSeconds(30)).TotalMilliseconds;
    private long _restUntil = long.MinValue;

    /// <inheritdoc/>
    public async ValueTask<LimitVerdict> ReserveAsync(LimitReservation reservation, CancellationToken cancellationToken)
    {
        if (clock.GetTimestamp() < Volatile.Read(ref _restUntil))
        {
            throw new StoreUnavailableException("Redis did not count a moment ago: see its state");
        }

        try
        {
            var reply = (RedisResult[])(await Reserve.RunAsync(connection.Database, Keys(reservation), ReserveValues(reservation))
                .WaitAsync(AnswerWithin, clock, cancellationToken))!;

            // The client library runs continuations on the thread that reads replies: leave it free.
            await Task.Yield();
            return new(
                (LimitOutcome)(int)reply[0], Number(reply[1]), Number(reply[2]), TimeSpan.FromMilliseconds((long)reply[3]), (int)reply[4], Number(reply[5]));
        }
        catch (Exception failure) when (failure is RedisException or TimeoutException)
        {
            Volatile.Write(ref _restUntil, clock.GetTimestamp() + (long)(RestAfterFailure.TotalSeconds * clock.TimestampFrequency));
            throw new StoreUnavailableException($"Redis does not count ({failure.Message}): check that it runs and can be reached", failure);
        }
    }

    /// <inheritdoc/>
    public async ValueTask SettleAsync(LimitReservation reservation, TokenDemand actual, bool refundRequest, CancellationToken cancellationToken)
    {
        var limits = reservation.Limits;
        List<RedisValue> values =
        [
            reservation.Id,
            Text(limits.TokensPerMinute is null ? 0 : LimitPolicy.Tokens(limits, reservation.Estimate) - actual.Total),
            refundRequest && limits.RequestsPerMinute is not null ? "1" : "0",
            .. limits.Budgets.Select(budget => (RedisValue)Text(
                actual.AmountOf(budget.Unit, limits.Prices) - reservation.Estimate.AmountOf(budget.Unit, limits.Prices))),
        ];
        RedisValue[] arguments = [.. values];
        await connection.SendAsync(database => Settle.RunAsync(database, Keys(reservation), arguments), cancellationToken);
    }

    private RedisKey[] Keys(LimitReservation reservation) =>
    [
        keys.LimitBuckets(reservation.KeyId),
        keys.LimitsOpen(reservation.KeyId),
        .. reservation.Limits.Budgets.Select(budget => keys.LimitBudget(
            reservation.KeyId, $"{budget.Unit}:{BudgetPeriods.Of(budget.Period, reservation.At)}".ToLowerInvariant())),
    ];

    private RedisValue[] ReserveValues(LimitReservation reservation)
    {
        var limits = reservation.Limits;
        List<RedisValue> values =
        [
            reservation.Id, limits.RequestsPerMinute ?? 0, limits.TokensPerMinute ?? 0, limits.ConcurrentRequests ?? 0, _lifeMilliseconds,
            Text(LimitPolicy.Tokens(limits, reservation.Estimate)),
        ];
        foreach (var budget in limits.Budgets)
        {
            // Kept a day beyond its period, for replies that end in the next one.
            var life = BudgetPeriods.EndOf(budget.Period, reservation.At) - reservation.At + TimeSpan.FromDays(1);
            values.AddRange([Text(reservation.Estimate.AmountOf(budget.Unit, limits.Prices)), Text(budget.Amount), (long)life.TotalSeconds]);
        }

        return [.. values];
    }

    private static double Number(RedisResult value) => double.Parse((string)value!, CultureInfo.InvariantCulture);

    private static string Text(double value) => value.ToString("0.#########", CultureInfo.InvariantCulture);

    /// <summary>A script that the server knows by its hash after it ran once.</summary>
    private sealed class Script(string text)
    {
        private readonly byte[] _hash = Hash(text);

        public async Task<RedisResult> RunAsync(IDatabase database, RedisKey[] keys, RedisValue[] values)
        {
            try
            {
                return await database.ScriptEvaluateAsync(_hash, keys, values);
            }
            catch (RedisServerException failure) when (failure.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
            {
                return await database.ScriptEvaluateAsync(text, keys, values, CommandFlags.NoScriptCache);
            }
        }

        // The hash that Redis names scripts by; nothing secret depends on it.
        private static byte[] Hash(string text) => SHA1.HashData(Encoding.UTF8.GetBytes(text));
    }
}
