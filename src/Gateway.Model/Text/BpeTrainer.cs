using System.Runtime.InteropServices;
using System.Text;
using Gateway.Model.Text.Tokenizing;

namespace Gateway.Model.Text;

/// <summary>How a trained tokenizer cuts text before merging.</summary>
public enum SplitRule
{
    /// <summary>The rule of GPT-2; digits stand together.</summary>
    Gpt2,

    /// <summary>The rule of Llama 3 with every digit on its own, as Qwen2 has it.</summary>
    SingleDigits,
}

/// <summary>What a byte-level BPE vocabulary shall look like.</summary>
/// <param name="VocabularySize">Number of ids in the end: special tokens, 256 bytes, then merges.</param>
/// <param name="SpecialTokens">Take the ids from 0 on, in this order.</param>
/// <param name="Split">How text is cut before merging.</param>
/// <param name="MinimumFrequency">A pair seen less often is not merged, which may leave the vocabulary smaller.</param>
public sealed record BpeTrainingOptions(
    int VocabularySize, IReadOnlyList<string> SpecialTokens, SplitRule Split = SplitRule.SingleDigits, int MinimumFrequency = 2);

/// <summary>A trained vocabulary: tokens by id, and the merges in rank order.</summary>
public sealed record TrainedBpe(BpeTrainingOptions Options, IReadOnlyList<string> Tokens, IReadOnlyList<(string Left, string Right)> Merges);

/// <summary>
/// Trains a byte-level BPE vocabulary (Sennrich et al., 2016): joins the most frequent adjacent pair until the
/// vocabulary is full. Pair counts are kept up to date as words change, so the corpus is read once.
/// Ties go to the pair with the smaller ids, so the same texts give the same vocabulary.
/// </summary>
public sealed class BpeTrainer
{
    private readonly BpeTrainingOptions _options;
    private readonly List<byte[]> _tokenBytes = [];
    private readonly List<(int Left, int Right)> _merges = [];
    private readonly List<Word> _words = [];
    private readonly Dictionary<(int Left, int Right), PairUse> _pairs = [];
    private readonly PriorityQueue<(int Left, int Right), (long NegativeCount, int Left, int Right)> _queue = new();

    private BpeTrainer(BpeTrainingOptions options) => _options = options;

    /// <summary>
    /// 1 counts the words of all texts, 2 spells them in bytes, 3 counts adjacent pairs, 4 merges the most frequent
    /// pair until the vocabulary is full.
    /// </summary>
    /// <exception cref="ArgumentException">The vocabulary has no room for the special tokens and the bytes.</exception>
    public static TrainedBpe Train(IEnumerable<string> texts, BpeTrainingOptions options, CancellationToken cancellation = default)
    {
        var merges = options.VocabularySize - options.SpecialTokens.Count - 256;
        if (merges < 0)
            throw new ArgumentException($"A vocabulary of {options.VocabularySize} has no room for 256 bytes and {options.SpecialTokens.Count} special tokens; make it larger.", nameof(options));

        var trainer = new BpeTrainer(options);
        var counts = CountWords(texts, options.Split, cancellation);
        trainer.SpellWords(counts);
        trainer.CountPairs();
        while (trainer._merges.Count < merges && trainer.TakeBestPair() is { } pair)
        {
            cancellation.ThrowIfCancellationRequested();
            trainer.Merge(pair);
        }

        return trainer.Result();
    }

    private static Dictionary<string, long> CountWords(IEnumerable<string> texts, SplitRule split, CancellationToken cancellation)
    {
        var preTokenizer = TokenizerFiles.PreTokenizerFor(split);
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        var bySpan = counts.GetAlternateLookup<ReadOnlySpan<char>>();
        var pieces = new List<Piece>();
        foreach (var text in texts)
        {
            cancellation.ThrowIfCancellationRequested();
            var whole = AlignedText.Unchanged(Surrogates.Repair(text), 0);
            pieces.Clear();
            preTokenizer.Split(new Piece(whole, 0, whole.Text.Length), pieces);
            foreach (var piece in pieces)
                CollectionsMarshal.GetValueRefOrAddDefault(bySpan, piece.Span, out _)++;
        }

        return counts;
    }

    private void SpellWords(Dictionary<string, long> counts)
    {
        for (var value = 0; value < 256; value++)
            _tokenBytes.Add([(byte)value]);
        // Sorted, so that the order of the texts decides nothing.
        foreach (var (word, count) in counts.OrderBy(e => e.Key, StringComparer.Ordinal))
            _words.Add(new Word([.. Encoding.UTF8.GetBytes(word).Select(b => (int)b)], count));
    }

    private void CountPairs()
    {
        for (var index = 0; index < _words.Count; index++)
        {
            var symbols = _words[index].Symbols;
            for (var at = 0; at + 1 < symbols.Length; at++)
                Count((symbols[at], symbols[at + 1]), _words[index].Count, index);
        }

        foreach (var (pair, use) in _pairs)
            Enqueue(pair, use.Count);
    }

    /// <summary>The most frequent pair; entries whose count has changed since are queued again with the new one.</summary>
    private (int Left, int Right)? TakeBestPair()
    {
        while (_queue.TryDequeue(out var pair, out var priority))
        {
            if (!_pairs.TryGetValue(pair, out var use) || use.Count < _options.MinimumFrequency)
                continue;
            if (use.Count == -priority.NegativeCount)
                return pair;
            Enqueue(pair, use.Count);
        }

        return null;
    }

    private void Merge((int Left, int Right) pair)
    {
        var id = _tokenBytes.Count;
        _tokenBytes.Add([.. _tokenBytes[pair.Left], .. _tokenBytes[pair.Right]]);
        _merges.Add(pair);
        _pairs.Remove(pair, out var use);
        var born = new HashSet<(int Left, int Right)>();
        foreach (var index in use!.Words)
            MergeInWord(index, pair, id, born);
        foreach (var grown in born)
            Enqueue(grown, _pairs[grown].Count);
    }

    /// <summary>Takes the word's pairs out of the counts, rewrites it and counts its pairs again.</summary>
    private void MergeInWord(int index, (int Left, int Right) pair, int id, HashSet<(int Left, int Right)> born)
    {
        var (symbols, count) = _words[index];
        for (var at = 0; at + 1 < symbols.Length; at++)
        {
            if (_pairs.TryGetValue((symbols[at], symbols[at + 1]), out var use))
                use.Count -= count;
        }

        symbols = Join(symbols, pair, id);
        _words[index] = new Word(symbols, count);
        for (var at = 0; at + 1 < symbols.Length; at++)
        {
            var next = (symbols[at], symbols[at + 1]);
            if (symbols[at] == id || symbols[at + 1] == id)
            {
                Count(next, count, index);
                born.Add(next);
            }
            else
            {
                _pairs[next].Count += count;
            }
        }
    }

    private static int[] Join(int[] symbols, (int Left, int Right) pair, int id)
    {
        var write = 0;
        for (var at = 0; at < symbols.Length; write++)
        {
            var joins = at + 1 < symbols.Length && symbols[at] == pair.Left && symbols[at + 1] == pair.Right;
            symbols[write] = joins ? id : symbols[at];
            at += joins ? 2 : 1;
        }

        return symbols[..write];
    }

    private void Count((int Left, int Right) pair, long count, int word)
    {
        if (!_pairs.TryGetValue(pair, out var use))
            _pairs[pair] = use = new PairUse();
        use.Count += count;
        if (use.Words.Count == 0 || use.Words[^1] != word)
            use.Words.Add(word);
    }

    private void Enqueue((int Left, int Right) pair, long count) =>
        _queue.Enqueue(pair, (-count, pair.Left, pair.Right));

    private TrainedBpe Result()
    {
        var spellings = _tokenBytes.ConvertAll(bytes => ByteAlphabet.Spell(bytes));
        return new TrainedBpe(
            _options,
            [.. _options.SpecialTokens, .. spellings],
            [.. _merges.Select(m => (spellings[m.Left], spellings[m.Right]))]);
    }

    private readonly record struct Word(int[] Symbols, long Count);

    /// <summary>How often a pair occurs, and in which words; a word stays listed after its last occurrence went.</summary>
    private sealed class PairUse
    {
        public long Count { get; set; }

        public List<int> Words { get; } = [];
    }
}
