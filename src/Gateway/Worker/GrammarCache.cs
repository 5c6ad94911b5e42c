using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.Api.Wire;
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

    /// <summary>A matcher for one reply.</summary>
    /// <param name="format">What the reply must look like.</param>
    /// <param name="endTokens">Ids that end the reply.</param>
    /// <param name="maximumTokens">Tokens the reply may have.</param>
    /// <param name="cancellation">The caller went away.</param>
    /// <exception cref="GrammarException">The constraint cannot be enforced.</exception>
    public async Task<GrammarMatcher> MatcherAsync(ReplyFormat format, IReadOnlyList<int> endTokens, int maximumTokens, CancellationToken cancellation)
    {
        var key = $"{format.Kind}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(format.Source)))}";
        if (Find(key) is not { } grammar)
        {
            await _compiling.WaitAsync(cancellation);
            try
            {
                grammar = Find(key) ?? Keep(key, await Task.Run(() => Compile(format, cancellation), cancellation));
            }
            finally
            {
                _compiling.Release();
            }
        }

        return new GrammarMatcher(grammar, _vocabulary.Value, endTokens, maximumTokens);
    }

    /// <inheritdoc/>
    public void Dispose() => _compiling.Dispose();

    private Grammar Compile(ReplyFormat format, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_compileTime);
        try
        {
            var grammar = format.Kind switch
            {
                ReplyFormatKind.JsonObject => Grammar.JsonObject(),
                ReplyFormatKind.JsonSchema => Grammar.FromSchema(format.Source, limit.Token),
                ReplyFormatKind.Regex => Grammar.FromRegex(format.Source, limit.Token),
                _ => Grammar.FromChoice(Choices(format.Source), limit.Token),
            };
            return grammar.Prepare(_vocabulary.Value);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new GrammarException("", $"takes more than {s_compileTime.TotalSeconds:F0} s to compile: simplify it");
        }
    }

    private static string[] Choices(string source)
    {
        using var document = JsonDocument.Parse(source);
        return [.. document.RootElement.EnumerateArray().Select(choice => choice.GetString()!)];
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
