using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Jobs;
using Xunit;

namespace Gateway.UnitTests.Host.Jobs;

public sealed class FeedbackLedgerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Retention and deletions by user take feedback away all the time: the ledger must not keep what they took, nor look for it for ever.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Refresh_FeedbackAndInteractionErased_ForgetsThemAndLooksNoMore(bool everythingIsReadAgain)
    {
        await using var fixture = new LearningFixture();
        var log = new CountingLog(fixture.Store);
        var ledger = new FeedbackLedger(fixture.Store, log, fixture.Feedback);
        await fixture.CorrectAsync(2);
        await ledger.RefreshAsync(Token);
        Assert.Equal(2, ledger.UsableRows(LearningFixture.Triage).Count);

        var erased = (await fixture.Store.ReadAsync(0, Token).FirstAsync(Token)).Interaction;
        var item = Assert.Single(await fixture.Feedback.ListAsync(erased.Id, Token));
        var key = DocumentKeys.Feedback(erased.Id, item.Id);
        await fixture.Store.CommitAsync([new(Collections.Feedback, key, null, null)], Token);
        await fixture.Store.EraseAsync([erased], Token);
        ledger.Note(everythingIsReadAgain ? new("", "") : new(Collections.Feedback, key));
        await ledger.RefreshAsync(Token);
        Assert.NotEqual(erased.Id, Assert.Single(ledger.UsableRows(LearningFixture.Triage)).InteractionId);

        log.Asked = 0;
        await ledger.RefreshAsync(Token);
        Assert.Equal(0, log.Asked);
    }

    private sealed class CountingLog(IInteractionLog log) : IInteractionLog
    {
        public int Asked { get; set; }

        public ValueTask AppendAsync(Interaction interaction, CancellationToken cancellationToken) => log.AppendAsync(interaction, cancellationToken);

        public ValueTask FlushAsync(CancellationToken cancellationToken) => log.FlushAsync(cancellationToken);

        public ValueTask<Interaction?> GetAsync(string id, CancellationToken cancellationToken)
        {
            Asked++;
            return log.GetAsync(id, cancellationToken);
        }

        public IAsyncEnumerable<LoggedInteraction> ReadAsync(long after, CancellationToken cancellationToken) => log.ReadAsync(after, cancellationToken);

        public ValueTask<IReadOnlyList<LoggedInteraction>> ListAsync(InteractionQuery query, CancellationToken cancellationToken) => log.ListAsync(query, cancellationToken);

        public ValueTask<int> EraseAsync(IReadOnlyList<Interaction> interactions, CancellationToken cancellationToken) => log.EraseAsync(interactions, cancellationToken);
    }
}
