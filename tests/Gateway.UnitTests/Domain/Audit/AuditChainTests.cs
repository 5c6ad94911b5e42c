using System.Text.Json;
using Gateway.Domain.Audit;
using Gateway.Domain.Json;
using Xunit;

namespace Gateway.UnitTests.Domain.Audit;

public class AuditChainTests
{
    private static readonly List<AuditEntry> Trail = Build(4);

    [Fact]
    public void Verify_UntouchedTrail_Holds()
    {
        Assert.Null(AuditChain.Verify([]));
        Assert.Null(AuditChain.Verify(Trail));
        Assert.Null(AuditChain.Verify(Trail.Select(RoundTrip)));
    }

    [Fact]
    public void Verify_ChangedEntry_IsFound() =>
        Assert.Equal(2, AuditChain.Verify(With(1, e => e with { Reason = "other" }))!.Sequence);

    [Fact]
    public void Verify_ChangedAndRehashedEntry_IsFoundAtTheNext()
    {
        var forged = AuditChain.Next(Trail[0], Trail[1].At, "mallory", Trail[1].Action, Trail[1].Subject, Trail[1].Reason);
        Assert.Equal(3, AuditChain.Verify(With(1, _ => forged))!.Sequence);
    }

    [Fact]
    public void Verify_MissingEntry_IsFound() =>
        Assert.Equal(2, AuditChain.Verify(Trail.Where(e => e.Sequence != 2))!.Sequence);

    private static List<AuditEntry> Build(int count)
    {
        var entries = new List<AuditEntry>();
        for (var i = 0; i < count; i++)
        {
            var at = new DateTimeOffset(2026, 1, 1, 12, 0, i, TimeSpan.FromHours(2)).AddTicks(i);
            entries.Add(AuditChain.Next(entries.LastOrDefault(), at, "operator", "deployment.rollback", "triage", $"try {i} \"é\""));
        }

        return entries;
    }

    private static IEnumerable<AuditEntry> With(int index, Func<AuditEntry, AuditEntry> change) =>
        Trail.Select((entry, i) => i == index ? change(entry) : entry);

    private static AuditEntry RoundTrip(AuditEntry entry) =>
        JsonSerializer.Deserialize(JsonSerializer.Serialize(entry, DomainJson.Default.AuditEntry), DomainJson.Default.AuditEntry)!;
}
