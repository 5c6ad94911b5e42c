using System.Text.Json;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Training.Data;
using Xunit;

namespace Gateway.UnitTests.Training;

public sealed class CuratorTests
{
    private static readonly Contract Triage = ContractHasher.Create(
        "triage",
        1,
        new ContractContent
        {
            SystemPrompt = "Sort.",
            OutputSchema = JsonDocument.Parse("""{"type":"object","properties":{"intent":{"enum":["a","b"]}},"required":["intent"]}""").RootElement,
        },
        DateTimeOffset.UnixEpoch,
        "test");

    private static int s_id;

    private static ExampleRow Row(string prompt, string intent = "a", ExampleSplit split = ExampleSplit.Train, double weight = 1) => new()
    {
        Id = $"row-{Interlocked.Increment(ref s_id)}",
        Messages = [new ChatMessage { Role = "user", Content = prompt }],
        Target = $"{{\"intent\": \"{intent}\"}}",
        Weight = weight,
        Kind = ExampleKind.Correction,
        Split = split,
    };

    private static readonly ExampleRow[] Base =
    [
        Row("the red parcel never arrived at my door"),
        Row("please give me my money back for the lamp", "b"),
        Row("who can tell me when you open on sunday", split: ExampleSplit.Test),
    ];

    private static IReadOnlyDictionary<string, int> Dropped(params ExampleRow[] more) => Curator.Curate([.. Base, .. more], Triage).Manifest.Dropped;

    [Fact]
    public void Clean_rows_are_all_kept() => Assert.Empty(Dropped());

    [Fact]
    public void Every_reason_is_counted()
    {
        Assert.Equal(1, Dropped(Row("leave me out of this please") with { OptOut = true })["opt_out"]);
        Assert.Equal(1, Dropped(Row("") with { Messages = [new ChatMessage { Role = "system", Content = "only a system message" }] })["no_user_message"]);
        Assert.Equal(1, Dropped(Row("something else entirely here") with { Target = " " })["empty_target"]);
        Assert.Equal(1, Dropped(Row("something else entirely here", "c"))["schema_violation"]);
        Assert.Equal(1, Dropped(Row("something else entirely here") with { Target = "a" })["schema_violation"]);
        Assert.Equal(1, Dropped(Row("The red parcel NEVER arrived, at my door!"))["duplicate"]);
        Assert.Equal(1, Dropped(Row("the red parcel never arrived at my door", "b"))["conflict"]);
        Assert.Equal(1, Dropped(Row("who can tell me when you open on sunday?"))["matches_evaluation"]);
    }

    [Fact]
    public void Of_a_conflict_the_newer_answer_stays_and_a_correction_outranks_a_liked_reply()
    {
        var newer = Curator.Curate([Row("which one wins here today", "a"), Row("which one wins here today", "b")], Triage).Rows;
        Assert.Contains("\"b\"", Assert.Single(newer).Target, StringComparison.Ordinal);
        var corrected = Curator.Curate([Row("which one wins here today", "a"), Row("which one wins here today", "b", weight: 0.5)], Triage).Rows;
        Assert.Contains("\"a\"", Assert.Single(corrected).Target, StringComparison.Ordinal);
    }

    [Fact]
    public void Near_duplicates_of_training_rows_collapse_to_one()
    {
        const string Text = "i would really like to know where my order with the two blue chairs is right now because nobody answers";
        Assert.Equal(1, Dropped(Row(Text), Row(Text + " me"))["near_duplicate"]);
    }

    [Fact]
    public void A_long_shared_passage_with_a_test_row_counts_as_contamination()
    {
        const string Passage = "one two three four five six seven eight nine ten eleven twelve thirteen";
        var dropped = Dropped(
            Row("a completely different beginning of words and then " + Passage + " and another ending that goes on and on for long", split: ExampleSplit.Test),
            Row("my message starts like this but it also says " + Passage + " with nothing in common afterwards whatsoever my friend"));
        Assert.Equal(1, dropped["matches_evaluation"]);
    }

    [Fact]
    public void Personal_data_is_replaced_and_counted()
    {
        var curated = Curator.Curate([Row("write to jane.doe@example.com about the parcel")], Triage);
        Assert.DoesNotContain("jane", curated.Rows[0].Messages[0].Content, StringComparison.Ordinal);
        Assert.Equal(1, curated.Manifest.Redacted["EMAIL_ADDRESS"]);
    }

    [Fact]
    public void A_tenth_of_the_training_rows_stops_the_training_and_the_choice_is_stable()
    {
        // Letters, because near-duplicate detection reads every digit as the same one.
        var random = new Random(2);
        string Word() => new([.. Enumerable.Range(0, 6).Select(_ => (char)('a' + random.Next(26)))]);
        var words = Enumerable.Range(0, 400).Select(_ => Row($"{Word()} {Word()} {Word()} {Word()} {Word()} {Word()}")).ToArray();
        var first = Curator.Curate(words, Triage);
        var again = Curator.Curate([.. words.Reverse()], Triage);
        Assert.InRange(first.Manifest.Validation, 20, 65);
        Assert.Equal(first.Manifest.Digest, again.Manifest.Digest);
    }
}
