using System.Text.Json;
using Gateway.Domain.Interactions;
using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Engine.Sampling;
using Gateway.Model.Lora;
using Gateway.Model.Network;

namespace Gateway.Training.Evaluation;

/// <summary>How replies are drawn.</summary>
public sealed record ReplySettings
{
    /// <summary>Most tokens of a reply, the end token included.</summary>
    public int MaxTokens { get; init; } = 64;

    /// <summary>Softmax temperature; 0 is greedy.</summary>
    public float Temperature { get; init; }

    /// <summary>Nucleus mass.</summary>
    public float TopP { get; init; } = 1;

    /// <summary>Seed of the first prompt; prompt i uses seed + i.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>The tools array the model sees, or null for none.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Strings that end a reply and are not part of it.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];
}

/// <summary>A drawn reply.</summary>
/// <param name="Text">The text, without special tokens.</param>
/// <param name="EndedItself">True when the model ended it, false when the limit cut it.</param>
public sealed record GeneratedReply(string Text, bool EndedItself);

/// <summary>
/// Answers many prompts with the serving engine: what is evaluated is what is served. One caller at a time; while it lives, it
/// owns the model's compute threads.
/// </summary>
public sealed class ReplyGenerator : IDisposable
{
    private const int Concurrency = 32;
    private const string AdapterName = "candidate";

    private readonly AdapterSlots _slots;
    private readonly InferenceEngine _engine;
    private readonly Transformer _model;
    private readonly ConversationRenderer _renderer;

    /// <summary>Starts an engine over <paramref name="model"/>, which stays the caller's.</summary>
    public ReplyGenerator(Transformer model, ConversationRenderer renderer)
    {
        (_model, _renderer) = (model, renderer);
        _slots = new AdapterSlots(model.Config, baseFingerprint: null, new AdapterLimits(), maximumResident: 2, TimeProvider.System);
        var blocks = Concurrency * ((model.Config.ContextLength / KvCache.BlockTokens) + 1);
        _engine = new InferenceEngine(model, _slots, new EngineOptions { CacheBlocks = Math.Min(blocks, 4096), MaximumRunning = Concurrency });
    }

    /// <summary>One reply per conversation, in order, as <see cref="ContinueAsync"/> gives it.</summary>
    public Task<IReadOnlyList<GeneratedReply>> GenerateAsync(
        IReadOnlyList<IReadOnlyList<ChatMessage>> conversations,
        string? adapterFolder,
        ReplySettings settings,
        Action<int, int> onProgress,
        CancellationToken cancellationToken) =>
        ContinueAsync([.. conversations.Select(conversation => _renderer.RenderPrompt(conversation, settings.Tools))], adapterFolder, settings, onProgress, cancellationToken);

    /// <summary>
    /// One continuation per prompt of token ids, in order; an empty one where the prompt does not fit.
    /// <paramref name="adapterFolder"/> null uses the base model.
    /// </summary>
    public async Task<IReadOnlyList<GeneratedReply>> ContinueAsync(
        IReadOnlyList<int[]> prompts,
        string? adapterFolder,
        ReplySettings settings,
        Action<int, int> onProgress,
        CancellationToken cancellationToken)
    {
        if (adapterFolder is not null)
        {
            var load = _slots.Load(AdapterName, adapterFolder, replace: true);
            if (load.Generation is null)
            {
                throw new RunRefusedException($"the adapter in '{adapterFolder}' cannot be loaded: {load.Reason}");
            }
        }

        var replies = new GeneratedReply[prompts.Count];
        var done = 0;
        await Parallel.ForEachAsync(
            Enumerable.Range(0, prompts.Count),
            new ParallelOptions { MaxDegreeOfParallelism = Concurrency, CancellationToken = cancellationToken },
            async (i, token) =>
            {
                replies[i] = await ContinueAsync(prompts[i], adapterFolder is null ? null : (await _slots.AcquireAsync(AdapterName, token)).Lease, settings, i, token);
                onProgress(Interlocked.Increment(ref done), prompts.Count);
            });
        return replies;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _engine.Dispose();
        _slots.Dispose();
    }

    private async Task<GeneratedReply> ContinueAsync(
        int[] prompt, AdapterLease? lease, ReplySettings settings, int index, CancellationToken cancellationToken)
    {
        var outcome = _engine.Submit(
            new GenerationRequest
            {
                Prompt = prompt,
                MaximumTokens = Math.Min(settings.MaxTokens, Math.Max(1, _engine.MaximumSequenceLength - prompt.Length)),
                Sampling = new SamplingSettings(settings.Temperature, settings.TopP, 0, settings.Seed + index),
                EndTokens = _model.Config.EndTokens,
                Adapter = lease,
            },
            out var stream);
        if (outcome != SubmitOutcome.Accepted)
        {
            lease?.Dispose();
            return new GeneratedReply("", false);
        }

        var ids = new List<int>();
        var finish = FinishReason.Failed;
        await foreach (var item in stream!.ReadAllAsync(cancellationToken))
        {
            if (item.Finish is { } reason)
            {
                finish = reason;
            }
            else
            {
                ids.Add(item.Token);
            }
        }

        var text = _renderer.Tokenizer.Decode([.. ids], skipSpecialTokens: true);
        var cut = settings.Stop.Select(stop => text.IndexOf(stop, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(-1).Min();
        return cut < 0 ? new GeneratedReply(text, finish == FinishReason.Stop) : new GeneratedReply(text[..cut], true);
    }
}
