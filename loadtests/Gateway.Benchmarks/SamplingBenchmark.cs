using System.Diagnostics;
using Gateway.Engine.Sampling;

namespace Gateway.Benchmarks;

/// <summary>Time of one draw per row, on one thread, over the vocabularies of the usual models.</summary>
internal static class SamplingBenchmark
{
    public static void Run()
    {
        (string Name, SamplingSettings Settings)[] settings =
        [
            ("greedy", SamplingSettings.Greedy),
            ("temperature", new SamplingSettings(0.8f, 1, 0, 1)),
            ("top_p 0.9", new SamplingSettings(0.8f, 0.9f, 0, 1)),
            ("top_k 50, top_p 0.9", new SamplingSettings(0.8f, 0.9f, 50, 1)),
        ];
        Console.WriteLine($"{"vocabulary",-12}{"logits",-10}{"settings",-22}{"median µs",12}");
        foreach (var vocabulary in (int[])[49_152, 151_936])
        {
            foreach (var (shape, spread) in ((string, float)[])[("flat", 1f), ("peaked", 4f)])
            {
                foreach (var (name, setting) in settings)
                {
                    Console.WriteLine($"{vocabulary,-12}{shape,-10}{name,-22}{Measure(vocabulary, spread, setting),12:F1}");
                }
            }
        }
    }

    private static double Measure(int vocabulary, float spread, SamplingSettings settings)
    {
        // The first second lets the compiler reach its last tier.
        const int rounds = 400;
        var warm = Stopwatch.StartNew();
        var random = new Random(1);
        var logits = Enumerable.Range(0, vocabulary).Select(_ => spread * (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()))).ToArray();
        var row = new float[vocabulary];
        var sampler = new Sampler(vocabulary);
        var tokens = new int[rounds];
        var times = new double[rounds];
        for (var round = 0; round < rounds; round = warm.ElapsedMilliseconds < 1000 ? (round + 1) % rounds : round + 1)
        {
            logits.CopyTo(row, 0);
            var started = Stopwatch.GetTimestamp();
            sampler.Sample(row, settings, tokens.AsSpan(0, round), 0, []);
            times[round] = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
        }

        Array.Sort(times);
        return times[rounds / 2];
    }
}
