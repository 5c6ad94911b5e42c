using BenchmarkDotNet.Attributes;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Benchmarks.Kernels;

/// <summary>A whole decode step of a small network, 8 sequences: what the compute thread does for every token.</summary>
public class ForwardKernels
{
    private const int Sequences = 8, Position = 40, BlocksPerSequence = 4;

    private readonly string _folder = Directory.CreateTempSubdirectory("gateway-benchmark-").FullName;
    private Compute _compute = null!;
    private Transformer _model = null!;
    private KvCache _cache = null!;
    private SequenceSlice[] _slices = null!;
    private float[] _logits = null!;

    [ParamsAllValues]
    public WeightFormat Format { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var config = new ModelConfig
        {
            Family = ModelFamily.Llama,
            HiddenSize = 256,
            IntermediateSize = 512,
            LayerCount = 4,
            HeadCount = 4,
            KeyValueHeadCount = 2,
            HeadDimension = 64,
            VocabularySize = 4096,
            ContextLength = 256,
            RmsNormEpsilon = 1e-5f,
            RopeTheta = 10_000,
            TiedEmbeddings = true,
        };
        using (TransformerParameters parameters = TransformerParameters.Create(config, seed: 1))
        {
            parameters.Save(_folder, SavedType.BF16);
        }

        _compute = new Compute(Environment.ProcessorCount);
        _model = Transformer.Load(_folder, _compute, Format);
        _cache = _model.CreateCache(Sequences * BlocksPerSequence);
        _logits = new float[Sequences * config.VocabularySize];
        _slices = [.. Enumerable.Range(0, Sequences).Select(sequence => new SequenceSlice(
            new[] { sequence }, Position, Enumerable.Range(sequence * BlocksPerSequence, BlocksPerSequence).ToArray(), null, LogitRows.Last))];
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _cache.Dispose();
        _model.Dispose();
        _compute.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Benchmark]
    public void DecodeStep() => _model.Forward(_slices, _cache, _logits);
}
