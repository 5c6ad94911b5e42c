using System.Text;
using System.Text.Json;
using Xunit;

namespace Gateway.UnitTests.Host;

/// <summary>What the demo and the replay promise about the data files that travel with the executable.</summary>
public sealed class DemoDataTests
{
    private const double NearDuplicate = 0.5;

    private static readonly Row[] s_traffic = ReadRows("messages.jsonl");
    private static readonly Row[] s_heldOut = ReadRows("heldout.jsonl");
    private static readonly string[] s_prompts = ReadLines("Starter/general-prompts.jsonl", "prompt");

    [Fact]
    public void Both_files_together_hold_enough_messages_for_the_demo()
    {
        Assert.True(s_traffic.Length >= 540, $"{s_traffic.Length} messages");
        Assert.True(s_heldOut.Length >= 240, $"{s_heldOut.Length} held-out messages");
    }

    [Fact]
    public void Both_files_hold_the_same_ten_intents_in_balance()
    {
        AssertBalanced(s_traffic);
        AssertBalanced(s_heldOut);
        Assert.Equal(Labels(s_traffic), Labels(s_heldOut));

        static void AssertBalanced(Row[] rows)
        {
            var mean = rows.Length / 10.0;
            var counts = rows.CountBy(row => row.Label).ToArray();
            Assert.Equal(10, counts.Length);
            Assert.All(counts, count => Assert.InRange(count.Value, 0.95 * mean, 1.05 * mean));
        }

        static string[] Labels(Row[] rows) =>
            rows.Select(row => row.Label).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
    }

    [Fact]
    public void Messages_are_short_ascii_sentences()
    {
        Assert.All(s_traffic.Concat(s_heldOut), row =>
        {
            Assert.True(Ascii.IsValid(row.Text), row.Text);
            Assert.InRange(row.Text.Split(' ').Length, 3, 25);
        });
    }

    [Fact]
    public void No_two_messages_differ_in_names_or_numbers_only()
    {
        var sets = s_traffic.Concat(s_heldOut).Select(row => (row.Text, Shingles: WordShingles(row.Text, 3))).ToArray();
        Assert.Equal(sets.Length, sets.Select(set => string.Join(' ', Words(set.Text))).Distinct(StringComparer.Ordinal).Count());

        for (var i = 0; i < sets.Length; i++)
        {
            for (var j = 0; j < i; j++)
            {
                Assert.False(Jaccard(sets[i].Shingles, sets[j].Shingles) >= 0.6, $"'{sets[i].Text}' and '{sets[j].Text}'");
            }
        }
    }

    [Fact]
    public void No_held_out_message_has_a_near_duplicate_in_the_traffic()
    {
        AssertFarApart(s_heldOut.Select(row => row.Text), s_traffic.Select(row => row.Text));
    }

    [Fact]
    public void General_prompts_are_enough_distinct_ascii_and_far_from_the_messages()
    {
        Assert.True(s_prompts.Length >= 200, $"{s_prompts.Length} prompts");
        Assert.Equal(s_prompts.Length, s_prompts.Distinct(StringComparer.OrdinalIgnoreCase).Count());
        Assert.All(s_prompts, prompt =>
        {
            Assert.True(Ascii.IsValid(prompt), prompt);
            Assert.InRange(prompt.Split(' ').Length, 4, 25);
        });
        AssertFarApart(s_prompts, s_traffic.Concat(s_heldOut).Select(row => row.Text));
    }

    [Fact]
    public void The_similarity_used_here_sees_a_near_duplicate()
    {
        var original = CharacterShingles("Where is my parcel? It was due nine days ago.");
        Assert.True(Jaccard(original, CharacterShingles("Where is my parcel? It was due ten days ago!")) >= NearDuplicate);
        Assert.True(Jaccard(original, CharacterShingles("My voucher code doesn't work.")) < 0.1);
    }

    private static void AssertFarApart(IEnumerable<string> left, IEnumerable<string> right)
    {
        var others = right.Select(text => (Text: text, Characters: CharacterShingles(text), Words: WordShingles(text, 5))).ToArray();
        foreach (var text in left)
        {
            var characters = CharacterShingles(text);
            var words = WordShingles(text, 5);
            foreach (var other in others)
            {
                Assert.False(
                    Jaccard(characters, other.Characters) >= NearDuplicate || Jaccard(words, other.Words) >= NearDuplicate,
                    $"'{text}' and '{other.Text}'");
            }
        }
    }

    private static double Jaccard(HashSet<string> left, HashSet<string> right)
    {
        var shared = left.Count(right.Contains);
        return (double)shared / (left.Count + right.Count - shared);
    }

    private static HashSet<string> CharacterShingles(string text)
    {
        var line = string.Join(' ', Words(text));
        return Enumerable.Range(0, Math.Max(1, line.Length - 4))
            .Select(start => line.Substring(start, Math.Min(5, line.Length - start)))
            .ToHashSet(StringComparer.Ordinal);
    }

    // A text shorter than the window is its own single shingle.
    private static HashSet<string> WordShingles(string text, int size)
    {
        var words = Words(text);
        return Enumerable.Range(0, Math.Max(1, words.Length - size + 1))
            .Select(start => string.Join(' ', words.Skip(start).Take(size)))
            .ToHashSet(StringComparer.Ordinal);
    }

    private static string[] Words(string text)
    {
        var letters = text.Select(c => char.IsAsciiLetterOrDigit(c) || c == '\'' ? char.ToLowerInvariant(c) : ' ');
        return string.Concat(letters).Split(' ', StringSplitOptions.RemoveEmptyEntries);
    }

    private static Row[] ReadRows(string file)
    {
        var texts = ReadLines($"Demo/Data/{file}", "text");
        var labels = ReadLines($"Demo/Data/{file}", "label");
        return texts.Zip(labels, (text, label) => new Row(text, label)).ToArray();
    }

    private static string[] ReadLines(string path, string property) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, path))
            .Select(line =>
            {
                using var row = JsonDocument.Parse(line);
                return row.RootElement.GetProperty(property).GetString()!;
            })
            .ToArray();

    private sealed record Row(string Text, string Label);
}
