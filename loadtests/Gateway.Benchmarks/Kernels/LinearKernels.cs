using BenchmarkDotNet.Attributes;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;

namespace Gateway.Benchmarks.Kernels;

/// <summary>One linear map, 576 to 1536: streaming (1 row), a decode batch (8), a prompt (256), in every weight format.</summary>
public unsafe class LinearKernels
{
    private const int Inputs = 576;
    private const int Outputs = 1536;

    private Compute _compute = null!;
    private WeightMatrix _weight = null!;
    private Matrix _x = null!;
    private Matrix _y = null!;

    [ParamsAllValues]
    public WeightFormat Format { get; set; }

    [Params(1, 8, 256)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _compute = new Compute(Environment.ProcessorCount);
        _weight = LinearWeights.Create(Inputs, Outputs, Format);
        (_x, _y) = (Values.Random(Rows, Inputs), new Matrix(Rows, Outputs));
        using Matrix source = Values.Random(Outputs, Inputs);
        _compute.PackTransposed(_weight, source.Data, Inputs);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _weight.Dispose();
        _x.Dispose();
        _y.Dispose();
        _compute.Dispose();
    }

    [Benchmark]
    public void Multiply() => _compute.Multiply([new Product(_x.Data, Inputs, Rows, _weight, _y.Data, Outputs, accumulate: false)]);
}
