using Gateway.Engine.Grammars;
using Gateway.Model.Text;

namespace Gateway.Worker;

/// <summary>
/// Compiled grammars by content, the least recently used one dropped first. One is compiled at a time, so that many new schemas
/// take no more than one processor from the engine. Thread-safe.
/// </summary>
internal sealed class GrammarCache(Tokenizer tokenizer, int vocabularySize) : IDisposable
{
    private const int MaximumGrammars = 32;
    private static readonly TimeSpan s_compileTime = TimeSpan.FromSeconds(10);

    // Requests without a constraint never pay for the trie of the vocabulary.
    private readonly Lazy<TokenVocabulary> _vocabulary = new(() => new TokenVocabulary(tokenizer, vocabularySize));
    private readonly SemaphoreSlim _compiling = new(1, 1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<(string Key, Grammar Grammar)>> _byKey = new(StringComparer.Ordinal);
    private readonly LinkedList<(string Key, Grammar Grammar)> _recent = [];

    /// <summary>A grammar to make matchers of.</summary>
    /// <param name="source">What replies must look like.</param>
    /// <param name="cancellation">The caller went away.</param>
    /// <exception cref="GrammarException">The constraint cannot be enforced.</exception>
    public async ValueTask<Grammar> GrammarAsync(GrammarSource source, CancellationToken cancellation)
    {
        if (Find(source.Key) is { } known)
        {
            return known;
        }

        await _compiling.WaitAsync(cancellation);
        try
        {
            return Find(source.Key) ?? Keep(source.Key, await Task.Run(() => Compile(source, cancellation), cancellation));
        }
        finally
        {
            _compiling.Release();
        }
    }

    /// <summary>A matcher for one reply.</summary>
    /// <param name="grammar">What the reply must look like.</param>
    /// <param name="endTokens">Ids that end the reply.</param>
    /// <param name="maximumTokens">Tokens the reply may have.</param>
    public GrammarMatcher Matcher(Grammar grammar, IReadOnlyList<int> endTokens, int maximumTokens) =>
        new(grammar, _vocabulary.Value, endTokens, maximumTokens);

    /// <inheritdoc/>
    public void Dispose() => _compiling.Dispose();

    private Grammar Compile(GrammarSource source, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_compileTime);
        try
        {
            return source.Compile(limit.Token).Prepare(_vocabulary.Value);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new GrammarException("", $"takes more than {s_compileTime.TotalSeconds:F0} s to compile: simplify it");
        }
    }

    private Grammar? Find(string key)
    {
        lock (_gate)
        {
            if (!_byKey.TryGetValue(key, out var node))
            {
                return null;
            }

            _recent.Remove(node);
            _recent.AddFirst(node);
            return node.Value.Grammar;
        }
    }

    private Grammar Keep(string key, Grammar grammar)
    {
        lock (_gate)
        {
            _byKey[key] = _recent.AddFirst((key, grammar));
            if (_recent.Count > MaximumGrammars)
            {
                _byKey.Remove(_recent.Last!.Value.Key);
                _recent.RemoveLast();
            }

            return grammar;
        }
    }
}
