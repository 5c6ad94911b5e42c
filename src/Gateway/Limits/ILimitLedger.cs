using Gateway.Domain.Limits;

namespace Gateway.Limits;

/// <summary>What a request asked to use: the key's limits at that time, an estimate, and when.</summary>
/// <param name="Id">Unique; a ledger that is told twice counts once.</param>
/// <param name="KeyId">The key that pays.</param>
/// <param name="Limits">Its limits.</param>
/// <param name="Estimate">The most that the request may use, as far as that is known.</param>
/// <param name="At">When it asked.</param>
public sealed record LimitReservation(string Id, string KeyId, KeyLimits Limits, TokenDemand Estimate, DateTimeOffset At);

/// <summary>Counts what keys use. Thread-safe.</summary>
public interface ILimitLedger
{
    /// <summary>Takes what a request may use, or says what stands in the way and takes nothing.</summary>
    /// <exception cref="Storage.StoreUnavailableException">Nobody can say now.</exception>
    ValueTask<LimitVerdict> ReserveAsync(LimitReservation reservation, CancellationToken cancellationToken);

    /// <summary>Replaces what was reserved by what was used; called once for each that was granted.</summary>
    /// <exception cref="Storage.StoreUnavailableException">It could not be told; what was reserved stays taken.</exception>
    ValueTask SettleAsync(LimitReservation reservation, TokenDemand actual, bool refundRequest, CancellationToken cancellationToken);
}
