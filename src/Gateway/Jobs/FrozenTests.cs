using System.Security.Cryptography;
using Gateway.Domain.Json;
using Gateway.Domain.NearDuplicates;
using Gateway.Domain.Storage;
using Gateway.Security;

namespace Gateway.Jobs;

/// <summary>
/// The frozen test set of every deployment. What has been assigned is in the store before anybody trains on it, so a prompt
/// never changes its part. Thread-safe, and safe between processes.
/// </summary>
public sealed class FrozenTests(IDocumentStore documents)
{
    private const string Prefix = "frozen-tests/";
    private const int Attempts = 100;

    /// <summary>The part of each prompt, in their order; new ones are drawn and kept.</summary>
    /// <exception cref="IOException">Others changed the split all the time.</exception>
    public async Task<IReadOnlyList<SplitPart>> AssignAsync(string deployment, IReadOnlyList<string> prompts, CancellationToken cancellationToken)
    {
        var secret = await InstallationSecret.ReadOrCreateAsync(documents, cancellationToken);
        var key = Convert.ToHexStringLower(HMACSHA256.HashData(secret, "frozen-tests"u8));
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var stored = await documents.FindAsync(Collections.Installation, Prefix + deployment, DomainJson.Default.SplitState, cancellationToken);
            var current = stored?.Value ?? new SplitState();
            var assigned = FrozenSplit.Assign(current, key, prompts);
            if (assigned.Next.Members.Count == current.Members.Count)
            {
                return assigned.Parts;
            }

            var write = StoredDocuments.Write(
                Collections.Installation, Prefix + deployment, assigned.Next, DomainJson.Default.SplitState, stored?.Version ?? 0);
            if ((await documents.CommitAsync([write], cancellationToken)).Committed)
            {
                return assigned.Parts;
            }
        }

        throw new IOException($"The frozen test set of '{deployment}' was changed by others {Attempts} times; the job is tried again.");
    }
}
