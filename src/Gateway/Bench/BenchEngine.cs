using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Model.Lora;
using Gateway.Model.Network;

namespace Gateway.Bench;

/// <summary>An engine over a model with adapters in memory, set up as it is served. Owns the adapters, not the model.</summary>
internal sealed class BenchEngine : IDisposable
{
    private readonly AdapterSlots _slots;
    private readonly int _vocabulary;
    private ulong _prompts;

    /// <summary>Starts an engine with <paramref name="adapters"/> random adapters of the bench's rank on all linear maps.</summary>
    public BenchEngine(Transformer model, EngineOptions options, int adapters)
    {
        _vocabulary = model.Config.VocabularySize;
        _slots = new AdapterSlots(model.Config, model.Fingerprint, new AdapterLimits(), adapters + 2, TimeProvider.System);
        Adapters = [.. Enumerable.Range(0, adapters).Select(index => $"adapter-{index}")];
        for (var index = 0; index < adapters; index++)
        {
            using var tensors = RandomAdapter.Create(model.Config, (ulong)index + 1);
            _slots.Install(Adapters[index], new LoraWeights(tensors, model.WeightFormat));
        }

        Engine = new InferenceEngine(model, _slots, options);
    }

    /// <summary>The engine.</summary>
    public InferenceEngine Engine { get; }

    /// <summary>Where its adapters are.</summary>
    public AdapterSlots Slots => _slots;

    /// <summary>Names of the adapters.</summary>
    public IReadOnlyList<string> Adapters { get; }

    /// <summary>Submits a greedy request without end tokens and with a prompt that never came before, so that no cached prefix serves it.</summary>
    public StreamClock Start(int promptTokens, int maximumTokens, string? adapter = null) => Start(NewPrompt(promptTokens), maximumTokens, adapter);

    /// <summary>Submits a greedy request without end tokens.</summary>
    public StreamClock Start(int[] prompt, int maximumTokens, string? adapter = null) => new(Engine, new GenerationRequest
    {
        Prompt = prompt,
        MaximumTokens = maximumTokens,
        Adapter = adapter is null ? null : _slots.Acquire(adapter),
    });

    /// <summary>Random tokens, others at every call.</summary>
    public int[] NewPrompt(int length)
    {
        var random = new float[length];
        RandomCheckpoint.FillUniform(random, ++_prompts, bound: 1);
        return [.. random.Select(value => (int)((value + 1) / 2 * (_vocabulary - 1)))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Engine.Dispose();
        _slots.Dispose();
    }
}
