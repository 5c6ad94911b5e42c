using System.Diagnostics;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Weights;
using Gateway.Training.Optimization;

namespace Gateway.Benchmarks;

/// <summary>One LoRA training step of a 135M-parameter model as a share of the measured peak of fused multiply-adds.</summary>
/// <remarks>
/// The convention for the operations of a step is 4 × weights, head included, × tokens: forward and the gradient of the
/// input, two operations for each weight; attention and the adapter's own products are work that the share pays for.
/// Steps and the peak take turns, so that a disturbance of the machine hits both.
/// </remarks>
internal static class TrainBenchmark
{
    private const int Documents = 2;
    private const int DocumentTokens = 256;

    private static readonly ModelConfig s_config = new()
    {
        Family = ModelFamily.Llama,
        HiddenSize = 576,
        IntermediateSize = 1536,
        LayerCount = 30,
        HeadCount = 9,
        KeyValueHeadCount = 3,
        HeadDimension = 64,
        VocabularySize = 49152,
        ContextLength = 2048,
        RmsNormEpsilon = 1e-5f,
        RopeTheta = 10000,
        TiedEmbeddings = true,
    };

    public static void Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0]) : Environment.ProcessorCount;
        int repetitions = args.Length > 1 ? int.Parse(args[1]) : 9;
        using var compute = new Compute(threads);
        using Transformer model = CreateModel(compute);
        using LoraParameters adapter = LoraParameters.Create(LoraSpec.Create(8, 16, Projections.All), s_config, seed: 2);
        using var optimizer = new AdamW(adapter.All, new AdamWSettings(), compute);
        using var pass = new TrainingPass(model);
        TrainingBatch batch = CreateBatch();

        // Two steps: the first packs the weights for the way back, the second meets compiled code.
        var steps = new List<Step>();
        double peak = 0;
        for (int repetition = -2; repetition < repetitions; repetition++)
        {
            peak = Math.Max(peak, MachineLimits.MeasureFmaPeak(threads));
            Step step = Measure(pass, batch, adapter, optimizer);
            if (repetition >= 0)
            {
                steps.Add(step);
            }
        }

        double operations = 4.0 * s_config.ParameterCount * batch.Tokens.Length;
        Console.WriteLine($"kernels {compute.Kernels.Name}, {threads} threads, peak {peak / 1e9:F0} GFLOPS, {repetitions} steps of {Documents} x {DocumentTokens} tokens, {operations / 1e9:F1} G operations");
        Print("whole step", steps.Select(step => step.Pass + step.Optimizer), operations, peak);
        Print("  forward and backward", steps.Select(step => step.Pass), operations, peak);
        Print("  AdamW", steps.Select(step => step.Optimizer), 0, peak);
        Print("forward and loss alone", steps.Select(step => step.Evaluation), operations / 2, peak);
    }

    private static Transformer CreateModel(Compute compute)
    {
        using TransformerParameters parameters = TransformerParameters.Create(s_config, seed: 1);
        return Transformer.Create(parameters, compute);
    }

    private static TrainingBatch CreateBatch()
    {
        var random = new Random(3);
        int[] tokens = [.. Enumerable.Range(0, Documents * DocumentTokens).Select(_ => random.Next(s_config.VocabularySize))];
        int[] labels = [.. tokens.Select(_ => random.Next(s_config.VocabularySize))];
        return new TrainingBatch(tokens, labels, [.. Enumerable.Range(0, Documents + 1).Select(document => document * DocumentTokens)]);
    }

    private static Step Measure(TrainingPass pass, TrainingBatch batch, LoraParameters adapter, AdamW optimizer)
    {
        long started = Stopwatch.GetTimestamp();
        pass.Run(batch, 1f / batch.Tokens.Length, adapter, full: null);
        double passSeconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        started = Stopwatch.GetTimestamp();
        optimizer.Step(1e-4);
        double optimizerSeconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        started = Stopwatch.GetTimestamp();
        pass.Evaluate(batch, adapter);
        return new Step(passSeconds, optimizerSeconds, Stopwatch.GetElapsedTime(started).TotalSeconds);
    }

    private static void Print(string name, IEnumerable<double> seconds, double operations, double peak)
    {
        double[] sorted = [.. seconds.Order()];
        double median = sorted[sorted.Length / 2];
        string share = operations > 0 ? $"{operations / median / 1e9,8:F0} GFLOPS {100 * operations / median / peak,6:F1} % of peak" : string.Empty;
        Console.WriteLine($"{name,-32}{1e3 * median,9:F1} ms (best {1e3 * sorted[0]:F1}){share}");
    }

    private readonly record struct Step(double Pass, double Optimizer, double Evaluation);
}
