using System.Text.Json;
using Gateway.Domain.NearDuplicates;

namespace Gateway.Demo;

/// <summary>A labelled message.</summary>
public sealed record LabelledMessage(string Text, string Label);

/// <summary>
/// The demo's messages: traffic, and a held-out part that is only ever used to measure. No held-out text equals a traffic
/// text.
/// </summary>
public sealed record DemoData(IReadOnlyList<string> Intents, IReadOnlyList<LabelledMessage> Traffic, IReadOnlyList<LabelledMessage> HeldOut)
{
    /// <summary>The data that ships with the executable.</summary>
    public static DemoData LoadDefault()
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "Demo", "Data");
        return Load(Path.Combine(folder, "messages.jsonl"), Path.Combine(folder, "heldout.jsonl"), intents: null);
    }

    /// <summary>
    /// Reads <c>{"text","label"}</c> rows. Keeps the <paramref name="intents"/> most frequent labels (null: all). Without a
    /// held-out file, 30 % of the near-duplicate clusters are held out. Rows are shuffled with a fixed seed, balanced by label.
    /// </summary>
    /// <exception cref="InvalidDataException">A row has another shape, or too little is left; the message names file and line.</exception>
    public static DemoData Load(string dataset, string? heldOut, int? intents)
    {
        var rows = Read(dataset);
        var labels = rows.GroupBy(row => row.Label, StringComparer.Ordinal)
            .OrderByDescending(group => group.Count()).ThenBy(group => group.Key, StringComparer.Ordinal)
            .Take(intents ?? int.MaxValue).Select(group => group.Key).Order(StringComparer.Ordinal).ToList();
        var known = labels.ToHashSet(StringComparer.Ordinal);
        rows = [.. rows.Where(row => known.Contains(row.Label))];
        List<LabelledMessage> test;
        if (heldOut is not null)
        {
            test = [.. Read(heldOut).Where(row => known.Contains(row.Label))];
        }
        else
        {
            var clusters = NearDuplicateClusters.Find([.. rows.Select(row => row.Text)]);
            var heldOutClusters = clusters.Distinct().ToArray();
            new Random(5).Shuffle(heldOutClusters);
            var chosen = heldOutClusters.Take(heldOutClusters.Length * 3 / 10).ToHashSet();
            test = [.. rows.Where((_, i) => chosen.Contains(clusters[i]))];
            rows = [.. rows.Where((_, i) => !chosen.Contains(clusters[i]))];
        }

        // A text on both sides measures memory: it leaves the held-out side.
        var traffic = rows.Select(row => Normalise(row.Text)).ToHashSet(StringComparer.Ordinal);
        test = [.. test.Where(row => !traffic.Contains(Normalise(row.Text)))];
        if (labels.Count < 2 || rows.Count < 50 || test.Count < 20)
        {
            throw new InvalidDataException(
                $"'{dataset}' leaves {labels.Count} labels, {rows.Count} messages and {test.Count} held-out messages; the demo needs at least 2, 50 and 20.");
        }

        return new DemoData(labels, BalancedOrder(rows), test);
    }

    private static string Normalise(string text) =>
        string.Join(' ', text.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static List<LabelledMessage> Read(string file)
    {
        var rows = new List<LabelledMessage>();
        var line = 0;
        foreach (var text in File.ReadLines(file))
        {
            line++;
            if (string.IsNullOrWhiteSpace(text))
            {
                continue;
            }

            try
            {
                using var json = JsonDocument.Parse(text);
                rows.Add(new LabelledMessage(
                    json.RootElement.GetProperty("text").GetString() ?? throw new KeyNotFoundException(),
                    json.RootElement.GetProperty("label").GetString() ?? throw new KeyNotFoundException()));
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                throw new InvalidDataException($"{Path.GetFileName(file)}, line {line}: expected {{\"text\":\"…\",\"label\":\"…\"}}.", e);
            }
        }

        return rows;
    }

    /// <summary>Round robin over the labels, each shuffled, so that any prefix is balanced.</summary>
    private static List<LabelledMessage> BalancedOrder(List<LabelledMessage> rows)
    {
        var random = new Random(3);
        var queues = rows.GroupBy(row => row.Label, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group =>
            {
                var members = group.ToArray();
                random.Shuffle(members);
                return new Queue<LabelledMessage>(members);
            }).ToList();
        var ordered = new List<LabelledMessage>(rows.Count);
        while (ordered.Count < rows.Count)
        {
            foreach (var queue in queues)
            {
                if (queue.TryDequeue(out var row))
                {
                    ordered.Add(row);
                }
            }
        }

        return ordered;
    }
}
