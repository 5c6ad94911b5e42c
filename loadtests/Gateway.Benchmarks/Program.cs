using Gateway.Benchmarks;

// Each entry prints its own table; numbers are only comparable within one run.
switch (args.FirstOrDefault())
{
    case "gemm":
        ProductBenchmark.Run(args.Skip(1).ToArray());
        return 0;
    case "attention":
        AttentionBenchmark.Run(args.Skip(1).ToArray());
        return 0;
    case "sampling":
        SamplingBenchmark.Run();
        return 0;
    case "train":
        TrainBenchmark.Run(args.Skip(1).ToArray());
        return 0;
    case "grammar":
        GrammarBenchmark.Run();
        return 0;
    case "kernels":
        return AllocationGate.Run(args.Skip(1).ToArray());
    default:
        Console.Error.WriteLine("usage: Gateway.Benchmarks kernels [--filter PATTERN] | gemm|attention|sampling|train|grammar [threads] [repetitions]");
        return 2;
}
