using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Engine.Sampling;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Engine;

/// <summary>A tiny model with three adapters a0, a1, a2, and engines over it.</summary>
public sealed class EngineFixture : IDisposable
{
    private readonly Compute _compute = new(2);

    public EngineFixture()
    {
        Transformer = Model.Load(_compute);
        Adapters = new AdapterSlots(Model.Config, null, new AdapterLimits(), 16, TimeProvider.System);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(AdapterLoadOutcome.Loaded, Adapters.Load($"a{i}", Model.WriteAdapter(i), replace: false).Outcome);
        }
    }

    public TinyModel Model { get; } = new();

    public Transformer Transformer { get; }

    public AdapterSlots Adapters { get; }

    public InferenceEngine Start(EngineOptions? options = null) => new(Transformer, Adapters, options ?? new EngineOptions());

    /// <summary>An engine whose steps the test makes itself.</summary>
    public InferenceEngine Paused(EngineOptions? options = null) => new(Transformer, Adapters, options ?? new EngineOptions(), startThread: false);

    public static FuzzRequest Request(int seed, int promptLength, int tokens, string? adapter)
    {
        var random = new Random(seed);
        return new FuzzRequest([.. Enumerable.Range(0, promptLength).Select(_ => random.Next(8, 160))], tokens, SamplingSettings.Greedy, adapter, null);
    }

    public static GenerationStream Submit(InferenceEngine engine, FuzzRequest request)
    {
        var lease = request.Adapter is null ? null : engine.Adapters.Acquire(request.Adapter);
        var outcome = engine.Submit(
            new GenerationRequest { Prompt = request.Prompt, MaximumTokens = request.MaximumTokens, Sampling = request.Sampling, Adapter = lease, Grammar = request.Matcher([]) }, out var stream);
        Assert.Equal(SubmitOutcome.Accepted, outcome);
        return stream!;
    }

    public static List<GenerationEvent> Drain(GenerationStream stream)
    {
        var events = new List<GenerationEvent>();
        while (stream.TryRead(out var item))
        {
            events.Add(item);
        }

        return events;
    }

    public void Dispose()
    {
        Adapters.Dispose();
        Transformer.Dispose();
        _compute.Dispose();
        Model.Dispose();
    }
}
