using System.Globalization;

namespace Gateway.Domain.Jobs;

/// <summary>When a deployment learns.</summary>
public sealed record TriggerOptions
{
    /// <summary>New usable rows that start a job at once.</summary>
    public int ManyRows { get; init; } = 50;

    /// <summary>New usable rows that start a job once the oldest has waited <see cref="FewRowsAge"/>; fewer never do.</summary>
    public int FewRows { get; init; } = 10;

    /// <summary>See <see cref="FewRows"/>.</summary>
    public TimeSpan FewRowsAge { get; init; } = TimeSpan.FromHours(24);

    /// <summary>Pause after the end of a job, whatever its result.</summary>
    public TimeSpan CoolDown { get; init; } = TimeSpan.FromHours(1);

    /// <summary>
    /// Quiet time to wait for, so that a burst of feedback is trained on whole. A steady stream delays a job by at most ten
    /// times this.
    /// </summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>What a trigger looks at, for one deployment.</summary>
public sealed record TriggerState
{
    /// <summary>When each usable row that no finished job has seen became usable, in any order.</summary>
    public required IReadOnlyList<DateTimeOffset> NewRows { get; init; }

    /// <summary>True while a job of this deployment is queued or running.</summary>
    public bool JobActive { get; init; }

    /// <summary>True while a candidate of this deployment is in a rollout; its successor has to wait for the verdict.</summary>
    public bool RolloutActive { get; init; }

    /// <summary>When the last job of this deployment ended, or null.</summary>
    public DateTimeOffset? LastJobEndedAt { get; init; }
}

/// <summary>Whether to start a job, and why or why not.</summary>
public readonly record struct TriggerDecision(bool Start, string Reason);

/// <summary>Decides when a deployment has learnt enough new things to train on.</summary>
public static class TriggerPolicy
{
    private const int LongestSettle = 10;

    /// <summary>
    /// Decides for <paramref name="state"/> at <paramref name="now"/>: 1 one job at a time and none during a rollout; 2 enough
    /// rows, or few but old enough; 3 not within the cool-down; 4 not in the middle of a burst.
    /// </summary>
    public static TriggerDecision Decide(TriggerState state, TriggerOptions options, DateTimeOffset now)
    {
        // 1 One at a time.
        if (state.JobActive)
        {
            return No("a job of this deployment is under way");
        }

        if (state.RolloutActive)
        {
            return No("a candidate of this deployment is in a rollout");
        }

        // 2 Rows.
        var rows = state.NewRows.Order().ToArray();
        if (rows.Length < options.FewRows)
        {
            return No($"{rows.Length} new usable rows; at least {options.FewRows} are needed");
        }

        var enoughSince = EnoughSince(rows, options);
        if (enoughSince > now)
        {
            return No(string.Create(CultureInfo.InvariantCulture,
                $"{rows.Length} new usable rows; {options.ManyRows} start a job, or the oldest reaching {options.FewRowsAge.TotalHours:0.##} h at {enoughSince:u}"));
        }

        // 3 Cool-down.
        if (state.LastJobEndedAt + options.CoolDown is { } cool && cool > now)
        {
            return No($"cooling down until {cool:u}");
        }

        // 4 Burst.
        if (now - rows[^1] < options.Settle && now - enoughSince < LongestSettle * options.Settle)
        {
            return No("feedback is still coming in; waiting for the burst to end");
        }

        return new(true, $"{rows.Length} new usable rows since {rows[0]:u}");

        static TriggerDecision No(string reason) => new(false, reason);
    }

    // The earlier of "many rows are in" and "few rows are in and the oldest is old"; may lie in the future.
    private static DateTimeOffset EnoughSince(DateTimeOffset[] rows, TriggerOptions options)
    {
        var aged = rows[0] + options.FewRowsAge;
        var few = rows[options.FewRows - 1] > aged ? rows[options.FewRows - 1] : aged;
        return rows.Length >= options.ManyRows && rows[options.ManyRows - 1] < few ? rows[options.ManyRows - 1] : few;
    }
}
