using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json;
using Gateway.Domain.Limits;
using Gateway.Domain.Storage;

namespace Gateway.Limits;

/// <summary>
/// Counts in this process, without locks: the ledger of an embedded store, and of a replica whose Redis does not answer. Use
/// of budgets is kept across restarts by <see cref="BudgetKeeper"/>; buckets start full.
/// </summary>
public sealed class LocalLimitLedger(TimeProvider clock) : ILimitLedger
{
    private readonly ConcurrentDictionary<string, Account> _accounts = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, BudgetUseRecord> _stored = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public ValueTask<LimitVerdict> ReserveAsync(LimitReservation reservation, CancellationToken cancellationToken)
    {
        var account = AccountOf(reservation);
        while (true)
        {
            var before = account.State;
            var (after, verdict) = LimitPolicy.Reserve(reservation.Limits, before, reservation.Estimate, clock.GetUtcNow());
            if (account.TryReplace(before, after))
            {
                return new(verdict);
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask SettleAsync(LimitReservation reservation, TokenDemand actual, bool refundRequest, CancellationToken cancellationToken)
    {
        var account = AccountOf(reservation);
        while (true)
        {
            var before = account.State;
            var after = LimitPolicy.Settle(reservation.Limits, before, reservation.Estimate, actual, refundRequest, reservation.At);
            if (account.TryReplace(before, after))
            {
                return ValueTask.CompletedTask;
            }
        }
    }

    /// <summary>Reads what was used of budgets before this process started; call it before the first request.</summary>
    internal async Task LoadAsync(IDocumentStore documents, CancellationToken cancellationToken)
    {
        await foreach (var document in documents.ListAsync(Collections.BudgetUses, "", cancellationToken))
        {
            _stored[document.Key] = JsonSerializer.Deserialize(document.Json.Span, LimitsJson.Default.BudgetUseRecord)!;
        }
    }

    /// <summary>Writes what has changed since the last call, in one commit.</summary>
    internal async Task SaveAsync(IDocumentStore documents, CancellationToken cancellationToken)
    {
        var writes = new List<DocumentWrite>();
        var records = new List<(string KeyId, BudgetUseRecord Record)>();
        foreach (var (keyId, account) in _accounts)
        {
            var record = account.Record();
            if (record.Uses.Count > 0 && !(_stored.TryGetValue(keyId, out var stored) && stored.Uses.SequenceEqual(record.Uses)))
            {
                records.Add((keyId, record));
                writes.Add(new(Collections.BudgetUses, keyId, ExpectedVersion: null, JsonSerializer.SerializeToUtf8Bytes(record, LimitsJson.Default.BudgetUseRecord)));
            }
        }

        if (writes.Count == 0)
        {
            return;
        }

        await documents.CommitAsync(writes, cancellationToken);
        foreach (var (keyId, record) in records)
        {
            _stored[keyId] = record;
        }
    }

    private Account AccountOf(LimitReservation reservation) =>
        _accounts.TryGetValue(reservation.KeyId, out var known)
            ? known
            : _accounts.GetOrAdd(
                reservation.KeyId,
                static (keyId, arguments) => new Account(arguments.reservation.Limits, arguments.ledger._stored.GetValueOrDefault(keyId), arguments.ledger.Now),
                (reservation, ledger: this));

    private DateTimeOffset Now => clock.GetUtcNow();

    private sealed class Account
    {
        private readonly KeyLimits _limits;
        private LimitState _state;

        public Account(KeyLimits limits, BudgetUseRecord? stored, DateTimeOffset now)
        {
            _limits = limits;
            _state = LimitState.Full(limits, now) with
            {
                Budgets = [.. limits.Budgets.Select(budget =>
                    stored?.Uses.FirstOrDefault(use => use.Unit == budget.Unit && use.Per == budget.Period) is { } use ? new BudgetUse(use.Period, use.Used) : default)],
            };
        }

        public LimitState State => Volatile.Read(ref _state);

        public bool TryReplace(LimitState before, LimitState after) => ReferenceEquals(Interlocked.CompareExchange(ref _state, after, before), before);

        public BudgetUseRecord Record()
        {
            var state = State;
            return new([.. _limits.Budgets.Zip(state.Budgets, (budget, use) => new StoredBudgetUse(budget.Unit, budget.Period, use.Period, use.Used)).Where(use => use.Period != 0)]);
        }
    }
}
