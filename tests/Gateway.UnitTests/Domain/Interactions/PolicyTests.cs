using System.Text.Json;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Rollouts;
using Xunit;

namespace Gateway.UnitTests.Domain.Interactions;

public class PolicyTests
{
    private static readonly DateTimeOffset Start = new(2026, 5, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(10);

    private static readonly Interaction Served = new()
    {
        Id = "chatcmpl-1",
        CreatedAt = Start,
        Deployment = "triage",
        RolloutId = "ro_1",
        Arm = Arm.Candidate,
        UnitHash = Assignment.UnitHash("u"),
        Messages = [],
        Reply = "fine",
        End = EndReason.Stop,
        Status = 200,
        Timings = new Timings(5, 1000),
    };

    [Theory]
    [InlineData("{\"a\":1}", EndReason.Stop, "")]
    [InlineData("plain", EndReason.Stop, "SchemaViolation")]
    [InlineData("  \n", EndReason.Stop, "Empty SchemaViolation")]
    [InlineData("{\"a\":", EndReason.Length, "Truncated SchemaViolation")]
    [InlineData("I’m sorry, but I can't do that.", EndReason.Stop, "Refusal SchemaViolation")]
    [InlineData("partial", EndReason.WorkerFailed, "Error")]
    [InlineData("partial", EndReason.ClientGone, "")]
    [InlineData(null, EndReason.Refused, "")]
    public void Flags_FollowTheReply(string? reply, EndReason end, string expected)
    {
        Assert.True(JsonSchema.TryParse(JsonElement.Parse("""{"type":"object"}"""), out var schema, out _));
        var flags = FlagPolicy.Judge(Evidence(reply, end, end == EndReason.Refused ? 400 : 200, new Timings(1, 20)), schema, new FlagRules { TotalMs = 1000 });
        Assert.Equal(expected, string.Join(' ', flags.Select(f => f.Kind)));
        Assert.All(flags, f => Assert.NotEmpty(f.Reason));
    }

    [Fact]
    public void Target_OfACompletionOrWithToolsInSight_IsNone()
    {
        var liked = new Feedback { Id = "f", ResponseId = Served.Id, Kind = FeedbackKind.Correction, Text = "better", CreatedAt = Start };
        var answer = new ChatMessage { Role = "tool", Content = "x", ToolCallId = "i" };

        Assert.Equal(TargetKind.Correction, TargetPolicy.Decide(Served, [liked]).Kind);
        Assert.All(
            [Served with { Kind = InteractionKind.Completion }, Served with { Tools = JsonElement.Parse("[]") }, Served with { Messages = [answer] }],
            interaction => Assert.Equal(TargetKind.None, TargetPolicy.Decide(interaction, [liked]).Kind));
    }

    [Fact]
    public void Flags_SlowReply_AndOurOwnRefusal_AreMarked()
    {
        Assert.Equal(FlagKind.OverSlo, FlagPolicy.Judge(Evidence("x", timings: new Timings(1, 2000)), null, new FlagRules { TotalMs = 1000 }).Single().Kind);
        Assert.Equal(FlagKind.OverSlo, FlagPolicy.Judge(Evidence("x", timings: new Timings(300, 400)), null, new FlagRules { FirstTokenMs = 200 }).Single().Kind);
        Assert.Equal(FlagKind.Error, FlagPolicy.Judge(Evidence(null, EndReason.Refused, 503), null, null).Single().Kind);
    }

    [Fact]
    public void Flags_ThatAreOff_AreNotSet_AndOwnOpeningsCount()
    {
        var german = new FlagRules { RefusalOpenings = ["Es tut mir leid, aber"] };
        Assert.Equal(FlagKind.Refusal, FlagPolicy.Judge(Evidence("Es tut mir leid, aber nein."), null, german).Single().Kind);
        Assert.Empty(FlagPolicy.Judge(Evidence("Es tut mir leid, aber nein."), null, null));
        Assert.Empty(FlagPolicy.Judge(Evidence(" ", EndReason.Length), null, new FlagRules { Off = [FlagKind.Empty, FlagKind.Truncated] }));
        Assert.Equal(2, new FlagRules { Off = [FlagKind.GuardHit], TotalMs = 0 }.Check().Count);
    }

    [Fact]
    public void Flags_OfAToolCall_DoNotAskForText()
    {
        Assert.True(JsonSchema.TryParse(JsonElement.Parse("""{"type":"object"}"""), out var schema, out _));
        Assert.Empty(FlagPolicy.Judge(Evidence(null) with { HasToolCalls = true }, schema, null));
    }

    [Fact]
    public void Flags_AReplyThatRunsInCircles_IsRepeated()
    {
        var loop = "Of course. " + string.Concat(Enumerable.Repeat("Please restart the router. ", 5)) + "Please rest";
        var flag = FlagPolicy.Judge(Evidence(loop, EndReason.Length), null, null).Single(f => f.Kind == FlagKind.Repeated);
        Assert.Contains("restart the router", flag.Reason, StringComparison.Ordinal);
        Assert.Empty(FlagPolicy.Judge(Evidence(loop), null, new FlagRules { Repetitions = 9 }));

        const string Answer = "Unplug the router, wait half a minute and plug it in again.";
        var asked = Evidence(Answer) with { Messages = [new() { Role = "assistant", Content = Answer }, new() { Role = "user", Content = "It did not help." }] };
        Assert.Equal(FlagKind.Repeated, FlagPolicy.Judge(asked, null, null).Single().Kind);
        Assert.Empty(FlagPolicy.Judge(asked with { Reply = "Yes.", Messages = [new() { Role = "assistant", Content = "Yes." }] }, null, null));
    }

    [Theory]
    [InlineData("no, no, no, no", false)]
    [InlineData("Name | Value\n----------------------------------------------------------------------", false)]
    [InlineData("The list: one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve.", false)]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true)]
    [InlineData("start: 12 34 12 34 12 34 12 34 12 34 12 34 12 34 12 34 12 34 12 34 12 34 12 34 12 34\n", true)]
    public void Repetition_IsALongLoopOfWordsAtTheEnd(string text, bool found) => Assert.Equal(found, Repetition.Find(text, 4) is not null);

    private static FlagEvidence Evidence(string? reply, EndReason end = EndReason.Stop, int status = 200, Timings? timings = null) =>
        new(reply, end, status, timings ?? new Timings(1, 20), []);

    [Theory]
    [InlineData(EndReason.Stop, 5.0, "", true, true, true)]
    [InlineData(EndReason.Stop, 5.0, "SchemaViolation", false, true, true)]
    [InlineData(EndReason.Stop, 5.0, "Refusal", true, false, true)]
    [InlineData(EndReason.Length, 5.0, "Truncated", true, false, true)]
    [InlineData(EndReason.WorkerFailed, 5.0, "Error", false, false, false)]
    [InlineData(EndReason.ClientGone, null, "", true, false, true)]
    [InlineData(EndReason.ClientGone, 5.0, "", true, true, true)]
    public void Outcome_FollowsFlagsAndEnd(EndReason end, double? firstToken, string flag, bool schema, bool complete, bool quality)
    {
        var interaction = Served with
        {
            End = end,
            Timings = new Timings(firstToken, 1000),
            Flags = flag.Length == 0 ? [] : [new Flag(Enum.Parse<FlagKind>(flag), "because")],
        };
        Assert.Equal([schema, complete, quality], Judge(interaction)!.Good);
    }

    [Fact]
    public void Outcome_FeedbackCountsOnlyWithinTheWindow()
    {
        var closes = OutcomePolicy.ClosesAt(Served, Window);
        Assert.Equal(Start.AddMinutes(10).AddSeconds(1), closes);
        Assert.False(Judge(Served, Thumbs(false, closes))!.Good[2]);
        Assert.True(Judge(Served, Thumbs(false, closes.AddTicks(1)))!.Good[2]);
        Assert.False(Judge(Served, Correction("x", Start))!.Good[2]);
        Assert.True(Judge(Served, Thumbs(true, Start))!.Good[2]);
        Assert.True(Judge(Served, Thumbs(false, Start) with { RetractedAt = closes })!.Good[2]);
        Assert.False(Judge(Served, Thumbs(false, Start) with { RetractedAt = closes.AddTicks(1) })!.Good[2]);
        Assert.True(Judge(Served, Thumbs(false, Start) with { ResponseId = "other" })!.Good[2]);
    }

    [Fact]
    public void Outcome_OutsideTheArms_IsNone()
    {
        Assert.Null(Judge(Served with { Arm = Arm.Stable }));
        Assert.Null(Judge(Served with { End = EndReason.Refused, Status = 400 }));
        Assert.Equal([false, false, false], Judge(Served with { End = EndReason.Refused, Status = 503 })!.Good);
        Assert.Throws<ArgumentException>(() => OutcomePolicy.Judge(Served, [], [new Guardrail("mood", 0, .1)], Window));
    }

    [Fact]
    public void Target_NewestStandingCorrectionWins()
    {
        var target = TargetPolicy.Decide(Served with { Flags = [new Flag(FlagKind.SchemaViolation, "x")] },
        [
            Correction("newest, retracted", Start.AddHours(3)) with { RetractedAt = Start.AddHours(4) },
            Correction("newer", Start.AddHours(2)) with { Id = "fb_2" },
            Correction("older", Start.AddHours(1)),
            Thumbs(true, Start.AddHours(5)),
        ]);
        Assert.Equal((TargetKind.Correction, "newer", 1.0, "fb_2"), (target.Kind, target.Text, target.Weight, target.FeedbackId));
    }

    [Fact]
    public void Target_Thumbs_TheNewestCounts()
    {
        var liked = TargetPolicy.Decide(Served, [Thumbs(false, Start), Thumbs(true, Start.AddHours(1))]);
        Assert.Equal((TargetKind.ThumbsUp, "fine", 0.5), (liked.Kind, liked.Text, liked.Weight));
        Assert.Equal(TargetKind.NoTarget, TargetPolicy.Decide(Served, [Thumbs(true, Start), Thumbs(false, Start.AddHours(1))]).Kind);
    }

    [Fact]
    public void Target_FlagWithoutCorrection_IsNoTargetEvenWhenLiked()
    {
        var flagged = Served with { Flags = [new Flag(FlagKind.SchemaViolation, "x")] };
        Assert.Equal(TargetKind.NoTarget, TargetPolicy.Decide(flagged, []).Kind);
        Assert.Equal(TargetKind.NoTarget, TargetPolicy.Decide(flagged, [Thumbs(true, Start)]).Kind);
        Assert.Equal(TargetKind.NoTarget, TargetPolicy.Decide(Served with { End = EndReason.ClientGone }, [Thumbs(true, Start)]).Kind);
        Assert.Equal(TargetKind.ThumbsUp, TargetPolicy.Decide(Served with { Flags = [new Flag(FlagKind.OverSlo, "x")] }, [Thumbs(true, Start)]).Kind);
    }

    [Fact]
    public void Target_OptOutAndSilence_TeachNothing()
    {
        Assert.Equal(TargetKind.OptOut, TargetPolicy.Decide(Served with { OptOut = true }, [Correction("x", Start)]).Kind);
        Assert.Equal(TargetKind.None, TargetPolicy.Decide(Served, []).Kind);
        Assert.False(TargetPolicy.Decide(Served, []).Usable);
    }

    private static Outcome? Judge(Interaction interaction, params Feedback[] feedback) =>
        OutcomePolicy.Judge(interaction, feedback, Guardrail.Defaults, Window);

    private static Feedback Thumbs(bool up, DateTimeOffset at) =>
        new() { Id = "fb_t", ResponseId = Served.Id, Kind = FeedbackKind.Thumbs, Thumbs = up, CreatedAt = at };

    private static Feedback Correction(string text, DateTimeOffset at) =>
        new() { Id = "fb_c", ResponseId = Served.Id, Kind = FeedbackKind.Correction, Text = text, CreatedAt = at };
}
