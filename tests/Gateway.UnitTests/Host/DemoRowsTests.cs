using Gateway.Demo;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Host;

public sealed class DemoRowsTests : IDisposable
{
    private readonly TemporaryFolder _folder = TestData.CreateFolder();

    public void Dispose() => _folder.Dispose();

    private string Write(string name, IEnumerable<(string Text, string Label)> rows)
    {
        var file = Path.Combine(_folder.Path, name);
        File.WriteAllLines(file, rows.Select(row => $"{{\"text\":\"{row.Text}\",\"label\":\"{row.Label}\"}}"));
        return file;
    }

    private static IEnumerable<(string Text, string Label)> Rows(int count, params string[] labels) =>
        Enumerable.Range(0, count).Select(i => ($"{Word(i)} {Word(i + 1000)} {Word(i + 2000)} {Word(i + 3000)}", labels[i % labels.Length]));

    /// <summary>A made-up word; letters, because near-duplicate detection reads every digit as the same one.</summary>
    private static string Word(int number)
    {
        var random = new Random(number);
        return new string([.. Enumerable.Range(0, 7).Select(_ => (char)('a' + random.Next(26)))]);
    }

    [Fact]
    public void The_most_frequent_labels_are_kept_and_shared_texts_leave_the_held_out_part()
    {
        var train = Write("train.jsonl", [.. Rows(120, "a", "b"), ("rare one", "c")]);
        var test = Write("test.jsonl", [.. Rows(3, "a", "b"), .. Rows(200, "a", "b").Skip(150), ("rare two", "c")]);
        var data = DemoData.Load(train, test, intents: 2);
        Assert.Equal(["a", "b"], data.Intents);
        Assert.Equal(120, data.Traffic.Count);
        Assert.Equal(50, data.HeldOut.Count);
        Assert.Equal(["a", "b", "a", "b"], data.Traffic.Take(4).Select(row => row.Label));
    }

    [Fact]
    public void Without_a_held_out_file_a_part_is_held_out()
    {
        var data = DemoData.Load(Write("train.jsonl", Rows(200, "a", "b")), null, null);
        Assert.Equal(60, data.HeldOut.Count);
        Assert.Empty(data.HeldOut.Intersect(data.Traffic));
    }

    [Fact]
    public void A_bad_line_is_named()
    {
        var file = Path.Combine(_folder.Path, "bad.jsonl");
        File.WriteAllLines(file, ["{\"text\":\"x\",\"label\":\"a\"}", "{\"text\":1}"]);
        Assert.Contains("line 2", Assert.Throws<InvalidDataException>(() => DemoData.Load(file, null, null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_an_object_with_one_known_intent_counts_as_an_answer()
    {
        var intents = new HashSet<string> { "refund" };
        Assert.Equal("refund", TriageContract.IntentOf(TriageContract.Answer("refund"), intents));
        foreach (var reply in (string[])["refund", "{\"intent\":\"other\"}", "{\"intent\":\"refund\",\"x\":1}", "{\"intent\":\"refund\"} ok", "[]", ""])
        {
            Assert.Null(TriageContract.IntentOf(reply, intents));
        }
    }

    [Fact]
    public void The_baseline_learns_words()
    {
        var baseline = new BagOfWordsBaseline([new("give my money back", "refund"), new("where is my parcel", "status")]);
        Assert.Equal("refund", baseline.Predict("I want my money!"));
        Assert.Equal("status", baseline.Predict("Parcel where?"));
    }
}
