using Gateway.Domain.Limits;
using Gateway.Limits;
using Gateway.Storage.Redis;
using Gateway.TestKit;
using Gateway.TestKit.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.UnitTests.Host.Limits;

public sealed class RedisLimitLedgerTests : IAsyncLifetime
{
    private static readonly TokenDemand Some = new(10, 20);
    private readonly RedisServer _server = new();
    private RedisStore _store = null!;
    private RedisLimitLedger _ledger = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync(Token);
        _store = await RedisStore.ConnectAsync(_server.Address, new RedisStoreOptions(), TimeProvider.System, NullLogger.Instance);
        _ledger = new RedisLimitLedger(_store.Connection, _store.Keys, TimeSpan.FromMinutes(10), TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        await (_store?.DisposeAsync() ?? ValueTask.CompletedTask);
        _server.Dispose();
    }

    /// <summary>The script and the function see the same traffic; buckets so large that a moment's refill does not show.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Script_RandomTraffic_DecidesAsTheFunctionDoes(int seed)
    {
        var limits = new KeyLimits
        {
            ConcurrentRequests = 6,
            Prices = new(3, 12),
            Budgets = [new(BudgetUnit.Tokens, BudgetPeriod.Day, 900), new(BudgetUnit.Cost, BudgetPeriod.Month, 0.009)],
        };
        var local = new LocalLimitLedger(TimeProvider.System);
        var random = new SplitMix64((ulong)seed);
        var open = new Queue<LimitReservation>();
        var outcomes = new HashSet<LimitOutcome>();
        for (var i = 0; i < 400; i++)
        {
            if (random.NextBool(0.6))
            {
                var estimate = new TokenDemand((long)(random.NextUInt64() % 60), (long)(random.NextUInt64() % 60));
                var reservation = new LimitReservation($"r{seed}-{i}", $"key{seed}", limits, estimate, TimeProvider.System.GetUtcNow());
                var expected = await local.ReserveAsync(reservation, Token);
                var actual = await _ledger.ReserveAsync(reservation, Token);
                Assert.Equal((expected.Outcome, expected.Budget), (actual.Outcome, actual.Budget));
                Assert.Equal(expected.BudgetLeft, actual.BudgetLeft, 6);
                outcomes.Add(actual.Outcome);
                if (actual.Outcome == LimitOutcome.Granted)
                {
                    open.Enqueue(reservation);
                }
            }
            else if (open.TryDequeue(out var done))
            {
                var used = random.NextBool(0.2) ? default : new TokenDemand(done.Estimate.Input, done.Estimate.Output / 2);
                await local.SettleAsync(done, used, refundRequest: false, Token);
                await _ledger.SettleAsync(done, used, refundRequest: false, Token);
            }
        }

        Assert.Superset(new HashSet<LimitOutcome> { LimitOutcome.Granted, LimitOutcome.Budget, LimitOutcome.Concurrency }, outcomes);
    }

    [Fact]
    public async Task Reserve_SentTwice_CountsOnceAndSettleToo()
    {
        var limits = new KeyLimits { RequestsPerMinute = 10, TokensPerMinute = 1000, ConcurrentRequests = 1 };
        var reservation = Reservation("once", limits);
        var first = await _ledger.ReserveAsync(reservation, Token);
        var again = await _ledger.ReserveAsync(reservation, Token);
        Assert.Equal((LimitOutcome.Granted, LimitOutcome.Granted), (first.Outcome, again.Outcome));
        Assert.InRange(again.RequestsLeft, 9, 9.5);
        Assert.InRange(again.TokensLeft, 970, 990);
        Assert.Equal(LimitOutcome.Concurrency, (await _ledger.ReserveAsync(Reservation("other", limits), Token)).Outcome);

        for (var i = 0; i < 2; i++)
        {
            await _ledger.SettleAsync(reservation, default, refundRequest: true, Token);
        }

        var next = await _ledger.ReserveAsync(Reservation("next", limits), Token);
        Assert.Equal(LimitOutcome.Granted, next.Outcome);
        Assert.InRange(next.RequestsLeft, 9, 9);
        Assert.InRange(next.TokensLeft, 970, 970);
    }

    [Fact]
    public async Task Reserve_ScriptsForgottenByTheServer_AreSentAgain()
    {
        var limits = new KeyLimits { RequestsPerMinute = 10 };
        Assert.Equal(LimitOutcome.Granted, (await _ledger.ReserveAsync(Reservation("a", limits), Token)).Outcome);
        await _store.Connection.Database.ExecuteAsync("SCRIPT", "FLUSH");
        Assert.Equal(LimitOutcome.Granted, (await _ledger.ReserveAsync(Reservation("b", limits), Token)).Outcome);
    }

    private static LimitReservation Reservation(string id, KeyLimits limits) => new(id, "key", limits, Some, TimeProvider.System.GetUtcNow());
}
