using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Gateway.Domain.NearDuplicates;

/// <summary>Where a text belongs for good.</summary>
public enum SplitPart
{
    /// <summary>May be trained on.</summary>
    Train,

    /// <summary>Only ever evaluated on.</summary>
    Test,

    /// <summary>Nearly the same as texts of both parts: used for neither.</summary>
    Excluded,
}

/// <summary>A text that has its part: its shingles, not its words.</summary>
public sealed record SplitMember(ShingleSet Shingles, SplitPart Part);

/// <summary>Every text assigned so far; the host keeps it with the deployment and passes it in again.</summary>
public sealed record SplitState
{
    /// <summary>The texts, distinct by shingles, in the order in which they came.</summary>
    public IReadOnlyList<SplitMember> Members { get; init; } = [];
}

/// <summary>The parts of the texts asked about, in their order, and the state to keep.</summary>
public sealed record SplitResult(IReadOnlyList<SplitPart> Parts, SplitState Next);

/// <summary>
/// Sends near-duplicate clusters of prompts to the training or the frozen test part, for good. A hash alone cannot promise
/// that, because clusters grow together as data comes in; so the assigned texts are kept: a new text follows the ones it
/// resembles, only a text that resembles none is drawn by keyed hash, and one that resembles both parts is used for neither.
/// No text ever changes its part, and no two near duplicates that the index finds are ever one in training and one in test.
/// </summary>
public static class FrozenSplit
{
    /// <summary>
    /// Assigns <paramref name="prompts"/>: 1 known texts keep their part; 2 new ones are clustered; 3 a cluster takes the part
    /// of the known texts it resembles, is excluded if those disagree, and is drawn otherwise.
    /// </summary>
    /// <param name="state">The state kept from the last call; new for the first.</param>
    /// <param name="key">The installation's secret, so that callers cannot aim at the test part.</param>
    /// <param name="prompts">Texts to assign; order and repetitions do not matter.</param>
    /// <param name="testShare">Share of clusters drawn for the test part.</param>
    public static SplitResult Assign(SplitState state, string key, IReadOnlyList<string> prompts, double testShare = 0.2)
    {
        // 1 Known texts.
        var parts = state.Members.ToDictionary(m => ClusterKey(m.Shingles), m => m.Part, StringComparer.Ordinal);
        var sets = prompts.Select(ShingleSet.Of).ToArray();
        var keys = sets.Select(ClusterKey).ToArray();
        var fresh = Enumerable.Range(0, sets.Length)
            .Where(i => !parts.ContainsKey(keys[i]))
            .DistinctBy(i => keys[i])
            .OrderBy(i => keys[i], StringComparer.Ordinal)
            .ToArray();

        // 2 Clusters of new texts; sorted by key above, so the first member's key does not depend on the order of prompts.
        var clusters = NearDuplicateClusters.Find(fresh.Select(i => sets[i]).ToArray());
        var members = new List<SplitMember>(state.Members);
        var settled = state.Members.Where(m => m.Part != SplitPart.Excluded).ToArray();
        var index = new NearDuplicateIndex();
        foreach (var member in settled)
        {
            index.Add(member.Shingles);
        }

        // 3 One part per cluster.
        foreach (var cluster in Enumerable.Range(0, fresh.Length).GroupBy(position => clusters[position]))
        {
            var resembled = cluster.SelectMany(position => index.Find(sets[fresh[position]])).Select(n => settled[n].Part).Distinct().ToArray();
            var part = resembled switch
            {
                [] => IsTest(key, keys[fresh[cluster.Key]], testShare) ? SplitPart.Test : SplitPart.Train,
                [var only] => only,
                _ => SplitPart.Excluded,
            };
            foreach (var position in cluster)
            {
                parts[keys[fresh[position]]] = part;
                members.Add(new(sets[fresh[position]], part));
            }
        }

        return new([.. keys.Select(k => parts[k])], new SplitState { Members = members });
    }

    /// <summary>True when a cluster is drawn for the test part: the HMAC-SHA-256 of its key, as a number in [0, 1), is below <paramref name="share"/>.</summary>
    public static bool IsTest(string key, string clusterKey, double share)
    {
        var digest = HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(clusterKey));
        return (BinaryPrimitives.ReadUInt64BigEndian(digest) >> 11) * (1.0 / (1UL << 53)) < share;
    }

    /// <summary>A name for texts with these shingles: 32 hex digits.</summary>
    public static string ClusterKey(ShingleSet shingles) =>
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(shingles.Hashes)).AsSpan(0, 16));
}
