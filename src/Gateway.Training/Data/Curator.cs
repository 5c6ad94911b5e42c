using System.Security.Cryptography;
using System.Text;
using Gateway.Domain.Contracts;
using Gateway.Domain.NearDuplicates;
using Gateway.Domain.Privacy;

namespace Gateway.Training.Data;

/// <summary>What curation leaves.</summary>
public sealed record CuratedData(IReadOnlyList<ExampleRow> Rows, DatasetManifest Manifest);

/// <summary>
/// Turns a snapshot into a dataset, purely and deterministically, in this order: opt-out, shape, output schema, redaction,
/// exact duplicates and conflicts, near duplicates, rows matching an evaluation set, validation split. Every row that is left
/// out is counted under one reason.
/// </summary>
public static class Curator
{
    private const double ValidationShare = 0.1;
    private const int NGram = 13;

    /// <summary>Curates <paramref name="rows"/> under <paramref name="contract"/>.</summary>
    public static CuratedData Curate(IReadOnlyList<ExampleRow> rows, Contract? contract)
    {
        var dropped = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var redacted = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var schema = contract is null ? null : OutputSchema.Of(contract);

        // 1. Consent, shape, schema.
        var kept = new List<ExampleRow>();
        foreach (var row in rows)
        {
            var reason = row.OptOut ? "opt_out"
                : !row.Messages.Any(message => message.Role == "user" && !string.IsNullOrWhiteSpace(message.Content)) ? "no_user_message"
                : string.IsNullOrWhiteSpace(row.Target) ? "empty_target"
                : contract is not null && ContractApplication.Apply(contract.Content, row.Messages).Refusal is not null ? "contract_refused"
                : schema?.ValidateText(row.Target).Count > 0 ? "schema_violation"
                : null;
            if (reason is null)
            {
                kept.Add(Redact(row, redacted));
            }
            else
            {
                Count(dropped, reason);
            }
        }

        // 2. Exact duplicates: the newest answer to one prompt stays; an older, different one is a conflict.
        kept = LatestPerPrompt(kept, dropped);

        // 3. Near duplicates within the training rows; test rows are frozen and stay.
        kept = WithoutNearDuplicates(kept, dropped);

        // 4. Nothing trained on may match an evaluation row.
        kept = Decontaminate(kept, dropped);

        // 5. A stable tenth of the training rows stops the training early.
        kept = [.. kept.Select(row => row.Split == ExampleSplit.Train && IsValidation(row) ? row with { Split = ExampleSplit.Validation } : row)];
        return new CuratedData(kept, new DatasetManifest
        {
            RowsIn = rows.Count,
            Dropped = dropped,
            Redacted = redacted,
            Train = kept.Count(row => row.Split == ExampleSplit.Train),
            Validation = kept.Count(row => row.Split == ExampleSplit.Validation),
            Test = kept.Count(row => row.Split == ExampleSplit.Test),
            Digest = Digest(kept),
        });
    }

    /// <summary>Identity of a set of rows, whatever their order.</summary>
    public static string Digest(IEnumerable<ExampleRow> rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var line in rows.Select(row => $"{row.Split}\0{PromptText(row)}\0{row.Target}\n").Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes(line));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The text two rows are compared by: what the user wrote.</summary>
    public static string PromptText(ExampleRow row) =>
        string.Join('\n', row.Messages.Where(message => message.Role != "system").Select(message => message.Content));

    private static ExampleRow Redact(ExampleRow row, SortedDictionary<string, int> counts)
    {
        string? Clean(string? text)
        {
            if (text is null)
            {
                return null;
            }

            var result = PiiRedactor.Redact(text);
            foreach (var (kind, count) in result.Counts)
            {
                counts[kind] = counts.GetValueOrDefault(kind) + count;
            }

            return result.Text;
        }

        return row with
        {
            Messages = [.. row.Messages.Select(message => message with { Content = Clean(message.Content) })],
            Target = Clean(row.Target)!,
        };
    }

    private static List<ExampleRow> LatestPerPrompt(List<ExampleRow> rows, SortedDictionary<string, int> dropped)
    {
        var latest = new Dictionary<(ExampleSplit, string), int>();
        var keep = new bool[rows.Count];
        for (var i = 0; i < rows.Count; i++)
        {
            var key = (rows[i].Split, Normalise(PromptText(rows[i])));
            if (latest.TryGetValue(key, out var earlier))
            {
                // A correction outranks a liked reply; among equals the newer row wins.
                var (loser, winner) = rows[earlier].Weight > rows[i].Weight ? (i, earlier) : (earlier, i);
                Count(dropped, rows[loser].Target == rows[winner].Target ? "duplicate" : "conflict");
                keep[loser] = false;
                keep[winner] = true;
                latest[key] = winner;
            }
            else
            {
                latest[key] = i;
                keep[i] = true;
            }
        }

        return [.. rows.Where((_, i) => keep[i])];
    }

    private static List<ExampleRow> WithoutNearDuplicates(List<ExampleRow> rows, SortedDictionary<string, int> dropped)
    {
        var train = rows.Where(row => row.Split == ExampleSplit.Train).ToList();
        var clusters = NearDuplicateClusters.Find([.. train.Select(PromptText)]);
        var best = new Dictionary<int, ExampleRow>();
        for (var i = 0; i < train.Count; i++)
        {
            if (!best.TryGetValue(clusters[i], out var champion) || train[i].Weight >= champion.Weight)
            {
                best[clusters[i]] = train[i];
            }
        }

        var survivors = best.Values.ToHashSet(ReferenceEqualityComparer.Instance);
        var kept = rows.Where(row => row.Split != ExampleSplit.Train || survivors.Contains(row)).ToList();
        Count(dropped, "near_duplicate", rows.Count - kept.Count);
        return kept;
    }

    private static List<ExampleRow> Decontaminate(List<ExampleRow> rows, SortedDictionary<string, int> dropped)
    {
        var test = rows.Where(row => row.Split == ExampleSplit.Test).ToList();
        var exact = test.Select(row => Normalise(PromptText(row))).ToHashSet(StringComparer.Ordinal);
        var grams = test.SelectMany(row => Grams(PromptText(row))).ToHashSet(StringComparer.Ordinal);
        var clusters = NearDuplicateClusters.Find([.. rows.Select(PromptText)]);
        var testClusters = rows.Select((row, i) => (row, i)).Where(entry => entry.row.Split == ExampleSplit.Test)
            .Select(entry => clusters[entry.i]).ToHashSet();
        var kept = new List<ExampleRow>();
        for (var i = 0; i < rows.Count; i++)
        {
            var row = rows[i];
            var matches = row.Split != ExampleSplit.Test
                && (testClusters.Contains(clusters[i]) || exact.Contains(Normalise(PromptText(row))) || Grams(PromptText(row)).Any(grams.Contains));
            if (matches)
            {
                Count(dropped, "matches_evaluation");
            }
            else
            {
                kept.Add(row);
            }
        }

        return kept;
    }

    private static bool IsValidation(ExampleRow row)
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes("validation\0" + Normalise(PromptText(row))));
        return digest[0] < ValidationShare * 256;
    }

    private static IEnumerable<string> Grams(string text)
    {
        var words = Normalise(text).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i + NGram <= words.Length; i++)
        {
            yield return string.Join(' ', words, i, NGram);
        }
    }

    private static string Normalise(string text)
    {
        var builder = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsLetterOrDigit(rune))
            {
                builder.Append(Rune.ToLowerInvariant(rune));
            }
            else if (builder.Length > 0 && builder[^1] != ' ')
            {
                builder.Append(' ');
            }
        }

        return builder.ToString().TrimEnd();
    }

    private static void Count(SortedDictionary<string, int> counts, string reason, int by = 1)
    {
        if (by > 0)
        {
            counts[reason] = counts.GetValueOrDefault(reason) + by;
        }
    }
}
