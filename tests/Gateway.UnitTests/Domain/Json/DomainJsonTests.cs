using System.Text.Json;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Gateway.Domain.Releases;
using Xunit;

namespace Gateway.UnitTests.Domain.Json;

public class DomainJsonTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    [Fact]
    public void Interaction_RoundTrips_WithSnakeCaseNamesAndNoNulls()
    {
        var interaction = new Interaction
        {
            Id = "chatcmpl-1",
            CreatedAt = At,
            Deployment = "triage",
            Arm = Arm.Candidate,
            Messages = [new ChatMessage { Role = "user", Content = "hi" }],
            End = EndReason.ClientGone,
            Timings = new Timings(null, 12.5),
            Flags = [new Flag(FlagKind.OverSlo, "slow")],
        };

        var json = JsonSerializer.Serialize(interaction, DomainJson.Default.Interaction);
        var back = JsonSerializer.Deserialize(json, DomainJson.Default.Interaction)!;

        Assert.Contains("\"end\":\"client_gone\"", json, StringComparison.Ordinal);
        Assert.Contains("\"kind\":\"over_slo\"", json, StringComparison.Ordinal);
        Assert.DoesNotContain("null", json, StringComparison.Ordinal);
        Assert.Equal(json, JsonSerializer.Serialize(back, DomainJson.Default.Interaction));
        Assert.Equal(interaction.Messages[0], back.Messages[0]);
    }

    [Fact]
    public void ComputedMembers_AreNotWritten()
    {
        var deployment = new Deployment { Name = "m", ReleaseId = "rel_1" }.MoveTo("rel_1", At, "me", "first").MoveTo("rel_2", At, "me", "second");

        var json = JsonSerializer.Serialize(deployment, DomainJson.Default.Deployment);
        var back = JsonSerializer.Deserialize(json, DomainJson.Default.Deployment)!;

        Assert.DoesNotContain("previous_release_id", json, StringComparison.Ordinal);
        Assert.Equal("rel_1", back.PreviousReleaseId);
        Assert.True(back.Learns);
    }

    [Fact]
    public void Defaults_AreWritten_SoThatDocumentsAreWhole()
    {
        var json = JsonSerializer.Serialize(new Deployment { Name = "m", ReleaseId = "r" }, DomainJson.Default.Deployment);
        Assert.Equal("""{"name":"m","release_id":"r","learns":true,"history":[]}""", json);
    }

    [Fact]
    public void EnumNumbers_AreRefused() => Assert.Throws<JsonException>(() =>
        JsonSerializer.Deserialize("""{"system_policy":1,"sampling":{}}""", DomainJson.Default.ContractContent));
}
