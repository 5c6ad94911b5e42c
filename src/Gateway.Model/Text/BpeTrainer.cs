using System.Text;
using System.Text.Json.Nodes;

namespace Gateway.Model.Text;

/// <summary>A learned byte-level BPE vocabulary: tokens in id order, and merges in rank order as ids.</summary>
public sealed record LearnedBpe(IReadOnlyList<byte[]> Tokens, IReadOnlyList<(int Left, int Right)> Merges);

/// <summary>
/// Learns byte-level BPE (Sennrich et al., 2016; byte alphabet of GPT-2): repeatedly joins the most frequent adjacent pair,
/// the lowest ids on ties. Pair counts are kept incrementally with an index from pairs to words and a heap whose stale
/// entries are corrected when they surface, so the cost follows the words that change and not the whole text.
/// </summary>
public static class BpeTrainer
{
    /// <summary>
    /// Learns merges until there are <paramref name="size"/> tokens or no pair occurs twice. Tokens 0–255 are the bytes.
    /// </summary>
    /// <param name="words">Pre-tokenised words with their counts.</param>
    /// <param name="size">Number of tokens, the 256 bytes included.</param>
    public static LearnedBpe Learn(IReadOnlyDictionary<string, long> words, int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 256);
        var tokens = new List<byte[]>(size);
        for (var value = 0; value < 256; value++)
        {
            tokens.Add([(byte)value]);
        }

        // Ordinal order makes the result independent of the dictionary's.
        var ordered = words.OrderBy(word => word.Key, StringComparer.Ordinal).ToList();
        var symbols = ordered.ConvertAll(word => Array.ConvertAll(Encoding.UTF8.GetBytes(word.Key), value => (int)value));
        var counts = new Dictionary<(int, int), long>();
        var places = new Dictionary<(int, int), HashSet<int>>();
        for (var w = 0; w < symbols.Count; w++)
        {
            Add(counts, places, symbols[w], w, ordered[w].Value);
        }

        var heap = new PriorityQueue<(int, int), (long, int, int)>();
        foreach (var (pair, count) in counts)
        {
            heap.Enqueue(pair, (-count, pair.Item1, pair.Item2));
        }

        var merges = new List<(int, int)>();
        while (tokens.Count < size && heap.TryDequeue(out var pair, out var priority))
        {
            var count = counts.GetValueOrDefault(pair);
            if (count != -priority.Item1)
            {
                // Stale: its count fell since it was queued. Counts only fall between a pair's creations.
                if (count > 1)
                {
                    heap.Enqueue(pair, (-count, pair.Item1, pair.Item2));
                }

                continue;
            }

            if (count < 2)
            {
                break;
            }

            var merged = tokens.Count;
            tokens.Add([.. tokens[pair.Item1], .. tokens[pair.Item2]]);
            merges.Add(pair);
            var touched = new HashSet<(int, int)>();
            foreach (var w in places[pair])
            {
                var weight = ordered[w].Value;
                var before = symbols[w];
                for (var i = 0; i + 1 < before.Length; i++)
                {
                    var old = (before[i], before[i + 1]);
                    counts[old] -= weight;
                }

                var after = Join(before, pair, merged);
                symbols[w] = after;
                Add(counts, places, after, w, weight);
                for (var i = 0; i + 1 < after.Length; i++)
                {
                    if (after[i] == merged || after[i + 1] == merged)
                    {
                        touched.Add((after[i], after[i + 1]));
                    }
                }
            }

            counts.Remove(pair);
            places.Remove(pair);
            foreach (var created in touched)
            {
                heap.Enqueue(created, (-counts[created], created.Item1, created.Item2));
            }
        }

        return new LearnedBpe(tokens, merges);
    }

    /// <summary>
    /// The Hugging Face tokenizer.json of a learned vocabulary: special tokens first, then the learned tokens; digits one by
    /// one, then GPT-2's word pattern.
    /// </summary>
    public static JsonObject ToTokenizerJson(LearnedBpe learned, IReadOnlyList<string> specialTokens)
    {
        var vocabulary = new JsonObject();
        foreach (var special in specialTokens)
        {
            vocabulary[special] = vocabulary.Count;
        }

        foreach (var token in learned.Tokens)
        {
            vocabulary[ByteAlphabet.ToText(token)] = vocabulary.Count;
        }

        JsonNode ByteLevel(bool prefix, bool trim) => new JsonObject
        {
            ["type"] = "ByteLevel", ["add_prefix_space"] = prefix, ["trim_offsets"] = trim, ["use_regex"] = true,
        };
        return new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray([.. specialTokens.Select((special, id) => (JsonNode)new JsonObject
            {
                ["id"] = id,
                ["content"] = special,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = true,
            })]),
            ["normalizer"] = null,
            ["pre_tokenizer"] = new JsonObject
            {
                ["type"] = "Sequence",
                ["pretokenizers"] = new JsonArray(
                    new JsonObject { ["type"] = "Digits", ["individual_digits"] = true },
                    ByteLevel(prefix: false, trim: true)),
            },
            ["post_processor"] = ByteLevel(prefix: true, trim: false),
            ["decoder"] = ByteLevel(prefix: true, trim: true),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["dropout"] = null,
                ["unk_token"] = null,
                ["continuing_subword_prefix"] = null,
                ["end_of_word_suffix"] = null,
                ["fuse_unk"] = false,
                ["byte_fallback"] = false,
                ["ignore_merges"] = false,
                ["vocab"] = vocabulary,
                ["merges"] = new JsonArray([.. learned.Merges.Select(merge => (JsonNode)new JsonArray(
                    ByteAlphabet.ToText(learned.Tokens[merge.Left]),
                    ByteAlphabet.ToText(learned.Tokens[merge.Right])))]),
            },
        };
    }

    private static void Add(
        Dictionary<(int, int), long> counts, Dictionary<(int, int), HashSet<int>> places, int[] symbols, int word, long weight)
    {
        for (var i = 0; i + 1 < symbols.Length; i++)
        {
            var pair = (symbols[i], symbols[i + 1]);
            counts[pair] = counts.GetValueOrDefault(pair) + weight;
            if (!places.TryGetValue(pair, out var set))
            {
                places[pair] = set = [];
            }

            set.Add(word);
        }
    }

    private static int[] Join(int[] symbols, (int Left, int Right) pair, int merged)
    {
        var joined = new int[symbols.Length];
        var length = 0;
        for (var i = 0; i < symbols.Length; i++)
        {
            if (i + 1 < symbols.Length && symbols[i] == pair.Left && symbols[i + 1] == pair.Right)
            {
                joined[length++] = merged;
                i++;
            }
            else
            {
                joined[length++] = symbols[i];
            }
        }

        return joined[..length];
    }
}
