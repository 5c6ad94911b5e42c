using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Engine.Scheduling;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Text;
using Gateway.Model.Weights;

namespace Gateway.Worker;

/// <summary>Everything a worker needs to answer: the model, its renderer, the adapters and the engine. Owns them all.</summary>
public sealed class WorkerRuntime : IDisposable
{
    private const int MaximumCacheBlocks = 1 << 16;

    private readonly Compute _compute;
    private readonly Transformer _model;

    private WorkerRuntime(WorkerOptions options, TimeProvider clock, Compute compute, Transformer model, Tokenizer tokenizer)
    {
        (Options, Clock, _compute, _model, Tokenizer) = (options, clock, compute, model, tokenizer);
        Prompts = new PromptRenderer(tokenizer, clock);
        Grammars = new GrammarCache(tokenizer, model.Config.VocabularySize);
        Generations = new GenerationCache(options.AdapterCache, options.Gateways, options.Token, model.Config, model.Fingerprint, clock);
        Created = clock.GetUtcNow();
        Adapters = new AdapterSlots(model.Config, model.Fingerprint, new AdapterLimits(), options.MaximumAdapters, clock, model.WeightFormat, options.AdapterBytes);
        Engine = new InferenceEngine(model, Adapters, new EngineOptions { CacheBlocks = CacheBlocks(model, options.CacheBytes) });
    }

    /// <summary>How the worker runs.</summary>
    public WorkerOptions Options { get; }

    /// <summary>The clock of every timestamp.</summary>
    public TimeProvider Clock { get; }

    /// <summary>When the worker started.</summary>
    public DateTimeOffset Created { get; }

    /// <summary>The base model's configuration.</summary>
    public ModelConfig Config => _model.Config;

    /// <summary>The base model's fingerprint, 64 hex digits.</summary>
    public string Fingerprint => _model.Fingerprint;

    /// <summary>The kernel set in use.</summary>
    public string Kernels => _compute.Kernels.Name;

    /// <summary>Why the packed weights could not be kept for the next start, or null.</summary>
    public string? CacheWarning => _model.CacheWarning;

    /// <summary>Ids to text.</summary>
    public Tokenizer Tokenizer { get; }

    /// <summary>Messages to ids.</summary>
    internal PromptRenderer Prompts { get; }

    /// <summary>Constraints of replies, compiled.</summary>
    internal GrammarCache Grammars { get; }

    /// <summary>The adapters on this machine's disk that came from the gateway.</summary>
    internal GenerationCache Generations { get; }

    /// <summary>The adapters in memory.</summary>
    public AdapterSlots Adapters { get; }

    /// <summary>The engine.</summary>
    public InferenceEngine Engine { get; }

    /// <summary>Version of this program.</summary>
    public static string Version { get; } =
        typeof(WorkerRuntime).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";

    /// <summary>Loads the model directory and starts the engine.</summary>
    /// <exception cref="ModelFormatException">The weights cannot be served; the message says what to do.</exception>
    /// <exception cref="TokenizerException">The same for the tokenizer.</exception>
    /// <exception cref="TemplateException">The same for the chat template.</exception>
    public static WorkerRuntime Load(WorkerOptions options, TimeProvider clock)
    {
        var tokenizer = Tokenizer.Load(options.ModelDirectory);
        var compute = new Compute(options.Threads);
        Transformer? model = null;
        try
        {
            model = Transformer.Load(options.ModelDirectory, compute, options.Weights, options.WeightCache);
            return tokenizer.VocabularySize <= model.Config.VocabularySize
                ? new WorkerRuntime(options, clock, compute, model, tokenizer)
                : throw new ModelFormatException($"the tokenizer has {tokenizer.VocabularySize} ids but the model only {model.Config.VocabularySize}; use the tokenizer of this model.");
        }
        catch
        {
            model?.Dispose();
            compute.Dispose();
            throw;
        }
    }

    /// <summary>Short hash of everything that decides a reply besides the request: program, kernels, weight format, base model and adapter.</summary>
    public string SystemFingerprint(string? generation) =>
        "fp_" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Version}|{Kernels}|{Options.Weights.Name()}|{Fingerprint}|{generation}")))[..10];

    /// <inheritdoc/>
    public void Dispose()
    {
        Engine.Dispose();
        Adapters.Dispose();
        Generations.Dispose();
        Grammars.Dispose();
        _model.Dispose();
        _compute.Dispose();
    }

    private static int CacheBlocks(Transformer model, long bytes) =>
        (int)Math.Clamp(bytes / model.CacheBlockBytes, Scheduler.BlocksFor(model.Config.ContextLength), MaximumCacheBlocks);
}
