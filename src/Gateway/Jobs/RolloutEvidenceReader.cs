using Gateway.Api;
using Gateway.Domain.Interactions;
using Gateway.Domain.Rollouts;
using Gateway.Domain.Storage;

namespace Gateway.Jobs;

/// <summary>
/// Turns the interaction log into evidence for one rollout: the first request of each unit counts, once its attribution
/// window has closed. What waits is kept in memory; a new reader starts at the rollout's cursor and comes to the same
/// evidence. Used by one caller at a time; after a state that was not stored, use a new reader.
/// </summary>
internal sealed class RolloutEvidenceReader(IInteractionLog log, FeedbackStore feedback)
{
    private readonly Queue<Waiting> _waiting = new();
    private readonly HashSet<string> _waitingUnits = new(StringComparer.Ordinal);
    private long _readTo;

    /// <summary>
    /// What was learnt since the last call: 1 new log entries give units; 2 closed windows give outcomes; 3 the cursor stays
    /// before the oldest entry whose window is open.
    /// </summary>
    public async Task<RolloutEvidence> ReadAsync(Rollout rollout, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // 1 Units.
        var window = rollout.Options.AttributionWindow;
        var guardrails = rollout.Guardrails.Select(state => state.Guardrail).ToArray();
        var assigned = new List<AssignedUnit>();
        _readTo = Math.Max(_readTo, rollout.Cursor);
        await foreach (var (sequence, interaction) in log.ReadAsync(_readTo, cancellationToken))
        {
            _readTo = sequence;
            if (interaction.RolloutId == rollout.Id
                && OutcomePolicy.Judge(interaction, [], guardrails, window) is { } eligible
                && !rollout.AnalysedUnits.Contains(eligible.UnitHash)
                && _waitingUnits.Add(eligible.UnitHash))
            {
                assigned.Add(new(eligible.UnitHash, eligible.Arm));
                _waiting.Enqueue(new(sequence, interaction.Id, eligible.UnitHash, OutcomePolicy.ClosesAt(interaction, window)));
            }
        }

        // 2 Outcomes.
        var outcomes = new List<Outcome>();
        while (_waiting.TryPeek(out var first) && first.ClosesAt <= now)
        {
            if (await log.GetAsync(first.InteractionId, cancellationToken) is { } interaction
                && OutcomePolicy.Judge(interaction, await feedback.ListAsync(interaction.Id, cancellationToken), guardrails, window) is { } outcome)
            {
                outcomes.Add(outcome);
            }

            _waiting.Dequeue();
            _waitingUnits.Remove(first.UnitHash);
        }

        // 3 Cursor.
        var cursor = _waiting.TryPeek(out var oldest) ? oldest.Sequence - 1 : _readTo;
        return new RolloutEvidence { Assigned = assigned, Outcomes = outcomes, Cursor = cursor };
    }

    private readonly record struct Waiting(long Sequence, string InteractionId, string UnitHash, DateTimeOffset ClosesAt);
}
