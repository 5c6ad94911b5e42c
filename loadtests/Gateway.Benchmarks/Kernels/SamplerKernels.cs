using BenchmarkDotNet.Attributes;
using Gateway.Engine.Sampling;
using Gateway.Model.Numerics;

namespace Gateway.Benchmarks.Kernels;

/// <summary>One draw over a vocabulary of 151,936, the copy of the logits included, because a draw may change them.</summary>
public class SamplerKernels
{
    private const int Vocabulary = 151_936;

    private Sampler _sampler = null!;
    private SamplingSettings _settings = null!;
    private Matrix _logits = null!;
    private Matrix _row = null!;

    [Params(0f, 0.8f)]
    public float Temperature { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _sampler = new Sampler(Vocabulary);
        _settings = new SamplingSettings(Temperature, 0.95f, 0, 1);
        (_logits, _row) = (Values.Random(1, Vocabulary), new Matrix(1, Vocabulary));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _logits.Dispose();
        _row.Dispose();
    }

    [Benchmark]
    public int Sample()
    {
        _logits.Span.CopyTo(_row.Span);
        return _sampler.Sample(_row.Span, _settings, [], 0, []);
    }
}
