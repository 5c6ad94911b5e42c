using Gateway.Domain.Interactions;
using Gateway.Domain.Limits;

namespace Gateway.Limits;

/// <summary>
/// What a request was granted. It is settled once, whoever does it first, without making the request wait: a ledger that
/// cannot be told keeps what was reserved, which is never less than fair to the limit.
/// </summary>
public sealed partial class LimitTicket(ILimitLedger ledger, LimitReservation reservation, ILogger logger)
{
    private int _settled;

    /// <summary>Replaces the reservation by what was used.</summary>
    /// <param name="actual">What was used.</param>
    /// <param name="refundRequest">True when the request failed through no fault of its caller.</param>
    public void Settle(TokenDemand actual, bool refundRequest = false)
    {
        if (Interlocked.Exchange(ref _settled, 1) == 1)
        {
            return;
        }

        var settling = ledger.SettleAsync(reservation, actual, refundRequest, CancellationToken.None);
        if (!settling.IsCompletedSuccessfully)
        {
            _ = LogFailureAsync(settling);
        }
    }

    /// <summary>
    /// Replaces the reservation by what a reply used: the worker's counts, else the text that came. A reply that failed before
    /// any text counts nothing, not even as a request.
    /// </summary>
    public void Settle(Interaction interaction)
    {
        if (interaction.Usage is { } usage)
        {
            Settle(new TokenDemand(usage.PromptTokens, usage.CompletionTokens));
        }
        else if (interaction.End is EndReason.WorkerFailed or EndReason.Refused && string.IsNullOrEmpty(interaction.Reply))
        {
            Settle(default, refundRequest: interaction.Status >= StatusCodes.Status500InternalServerError);
        }
        else
        {
            Settle(DemandEstimate.OfPartialReply(reservation.Estimate, interaction.Reply));
        }
    }

    private async Task LogFailureAsync(ValueTask settling)
    {
        try
        {
            await settling;
        }
        catch (IOException failure)
        {
            LogNotSettled(reservation.KeyId, failure.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "What a request of key {KeyId} used could not be counted ({Failure}); what was reserved for it stays counted.")]
    private partial void LogNotSettled(string keyId, string failure);
}
