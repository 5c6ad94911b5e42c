using System.Globalization;

namespace Gateway.TestKit.Processes;

/// <summary>What a process holds in memory over time, by the kernel's count.</summary>
/// <param name="processId">The process.</param>
public sealed class ResidentMemory(int processId)
{
    private readonly List<(double Seconds, double Mebibytes)> _samples = [];

    /// <summary>The first and last fifth of the samples after the warm-up, as means in MiB.</summary>
    public (double Begin, double End) Ends(double warmUpSeconds)
    {
        var warm = Warm(warmUpSeconds);
        var part = Math.Max(1, warm.Count / 5);
        return (warm.Take(part).Average(sample => sample.Mebibytes), warm.TakeLast(part).Average(sample => sample.Mebibytes));
    }

    /// <summary>Slope of the least-squares line through the samples after the warm-up, in MiB per minute.</summary>
    public double SlopePerMinute(double warmUpSeconds)
    {
        var warm = Warm(warmUpSeconds);
        var (x, y) = (warm.Average(sample => sample.Seconds), warm.Average(sample => sample.Mebibytes));
        var spread = warm.Sum(sample => (sample.Seconds - x) * (sample.Seconds - x));
        return spread == 0 ? 0 : 60 * warm.Sum(sample => (sample.Seconds - x) * (sample.Mebibytes - y)) / spread;
    }

    /// <summary>Takes a sample and returns it in MiB.</summary>
    public double Sample(double seconds)
    {
        var line = File.ReadLines($"/proc/{processId}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        var mebibytes = double.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
        _samples.Add((seconds, mebibytes));
        return mebibytes;
    }

    private List<(double Seconds, double Mebibytes)> Warm(double seconds) => [.. _samples.Where(sample => sample.Seconds >= seconds)];
}
