using Gateway.Model.Text;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Model.Text;

public sealed class BpeTrainerTests
{
    private static readonly string[] s_texts = ["low low low low low lower lower newest newest newest newest newest newest widest widest widest"];

    [Fact]
    public void Train_joins_the_most_frequent_pair_first_and_breaks_ties_by_smaller_ids()
    {
        var trained = BpeTrainer.Train(s_texts, new BpeTrainingOptions(1 + 256 + 4, ["<eos>"]));

        // "es" and "st" both occur nine times; e < s. Then "est" nine times, "lo" seven, "low" seven.
        Assert.Equal([("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w")], trained.Merges);
        Assert.Equal("<eos>", trained.Tokens[0]);
        Assert.Equal(["es", "est", "lo", "low"], trained.Tokens.Skip(257));
    }

    [Fact]
    public void Train_gives_the_same_vocabulary_as_recounting_everything_after_each_merge()
    {
        var random = new Random(5);
        var words = Enumerable.Range(0, 200).Select(_ => new string([.. Enumerable.Range(0, random.Next(1, 9)).Select(_ => "abc"[random.Next(3)])]));
        var text = string.Join(' ', words);

        var trained = BpeTrainer.Train([text], new BpeTrainingOptions(256 + 60, [], MinimumFrequency: 1));

        Assert.Equal(Recounted(text, trained.Merges.Count), trained.Merges);
    }

    [Fact]
    public void Train_does_not_depend_on_the_order_of_the_texts()
    {
        string[] texts = ["one fish two fish", "red fish blue fish", "a bird, 123 birds"];
        var options = new BpeTrainingOptions(280, []);

        Assert.Equal(BpeTrainer.Train(texts, options).Merges, BpeTrainer.Train(texts.Reverse(), options).Merges);
    }

    [Fact]
    public void Train_without_room_for_the_bytes_is_refused() =>
        Assert.Throws<ArgumentException>(() => BpeTrainer.Train(s_texts, new BpeTrainingOptions(256, ["<eos>"])));

    [Fact]
    public void Written_files_load_again()
    {
        using var folder = TestData.CreateFolder();
        var trained = BpeTrainer.Train(s_texts, new BpeTrainingOptions(264, ["<eos>", "<pad>"]));
        TokenizerFiles.Write(folder.Path, trained, new TokenizerSettings { EndOfTextToken = "<eos>", PaddingToken = "<pad>" });

        var tokenizer = Tokenizer.Load(folder.Path);

        Assert.Equal(trained.Tokens.Count, tokenizer.VocabularySize);
        Assert.Equal(0, tokenizer.EndOfTextId);
        Assert.Null(tokenizer.BeginOfTextId);
        Assert.True(tokenizer.IsSpecial(1));
        Assert.Equal([tokenizer.TokenToId("low")!.Value, 0], tokenizer.Encode("low<eos>"));
        Assert.Equal("low", tokenizer.Decode(tokenizer.Encode("low<eos>"), skipSpecialTokens: true));
    }

    /// <summary>Textbook training: count all pairs anew after every merge.</summary>
    private static List<(string Left, string Right)> Recounted(string text, int merges)
    {
        var words = text.Split(' ').Select((word, i) => (i == 0 ? word : "\u0120" + word).Select(c => c.ToString()).ToList()).ToList();
        var order = new List<string>();
        var result = new List<(string, string)>();
        while (result.Count < merges)
        {
            var best = words
                .SelectMany(w => w.Zip(w.Skip(1)))
                .GroupBy(p => p)
                .OrderByDescending(g => g.Count()).ThenBy(g => Id(g.Key.First)).ThenBy(g => Id(g.Key.Second))
                .First().Key;
            result.Add(best);
            order.Add(best.First + best.Second);
            foreach (var word in words)
            {
                for (var at = 0; at + 1 < word.Count; at++)
                {
                    if (word[at] != best.First || word[at + 1] != best.Second)
                        continue;
                    word[at] += word[at + 1];
                    word.RemoveAt(at + 1);
                }
            }
        }

        return result;

        // Ids of bytes are their values: a space, spelled U+0120, is 32.
        int Id(string token) => token == "\u0120" ? 32 : token.Length == 1 ? token[0] : 256 + order.IndexOf(token);
    }
}
