using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Gateway.Benchmarks.Kernels;

namespace Gateway.Benchmarks;

/// <summary>Times the kernels and fails when one of them allocates in its steady state: times depend on the machine, allocations do not.</summary>
internal static class AllocationGate
{
    private static readonly Type[] s_kernels =
        [typeof(LinearKernels), typeof(AttentionKernels), typeof(SamplerKernels), typeof(GrammarKernels), typeof(ForwardKernels)];

    /// <summary>Runs the kernels that <paramref name="args"/> filter (BenchmarkDotNet's own arguments) and returns the exit code.</summary>
    public static int Run(string[] args)
    {
        // In this process, because the generated project of the default toolchain would need packages again.
        IConfig config = DefaultConfig.Instance
            .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
            .AddDiagnoser(MemoryDiagnoser.Default)
            .WithArtifactsPath(Path.Combine(Path.GetTempPath(), "gateway-benchmarks"))
            .WithOptions(ConfigOptions.JoinSummary);
        List<BenchmarkReport> reports = [.. BenchmarkSwitcher.FromTypes(s_kernels).Run(args.Length > 0 ? args : ["--filter", "*"], config).SelectMany(summary => summary.Reports)];
        List<BenchmarkReport> failed = [.. reports.Where(report => !report.Success)];
        failed.ForEach(report => Console.Error.WriteLine($"did not run: {report.BenchmarkCase.DisplayInfo}"));
        List<BenchmarkReport> allocating = [.. reports.Where(report => report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase) > 0)];
        allocating.ForEach(report => Console.Error.WriteLine($"allocates {report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase)} bytes: {report.BenchmarkCase.DisplayInfo}"));
        return reports.Count == 0 || failed.Count + allocating.Count > 0 ? 1 : 0;
    }
}
