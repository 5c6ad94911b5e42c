using Gateway.Model.Numerics;

namespace Gateway.Bench;

/// <summary>The limits of the machine, measured again in every round beside what is compared with them.</summary>
internal sealed class MachineSeries
{
    private readonly Series _fma;
    private readonly Series _int8;
    private readonly Series _read;

    /// <summary>Prepares the measurements on <paramref name="threads"/> threads.</summary>
    public MachineSeries(int threads, ReadBuffer buffer)
    {
        _fma = new("FMA peak", () => Task.FromResult(MachineLimits.MeasureFmaPeak(threads)));
        _int8 = new("int8 peak", () => Task.FromResult(MachineLimits.MeasureInt8Peak(threads)));
        _read = new("memory read", () => Task.FromResult(MachineLimits.MeasureRead(threads, buffer)));
    }

    /// <summary>What to measure.</summary>
    public IReadOnlyList<Series> All => [_fma, _int8, _read];

    /// <summary>The medians of the rounds.</summary>
    public Roofline Roofline => new(_fma.Median, _int8.Median, _read.Median);

    /// <summary>The medians of all rounds of a run as rows: each is its own limit.</summary>
    public static IEnumerable<BenchRow> Rows(IReadOnlyCollection<MachineSeries> run)
    {
        yield return Row("limit_fma_f32", "f32", MedianOf(machine => machine._fma) / 1e9, "GFLOPS");
        yield return Row("limit_vnni_int8", "int8", MedianOf(machine => machine._int8) / 1e9, "GOPS");
        yield return Row("limit_read", string.Empty, MedianOf(machine => machine._read) / 1e9, "GB/s");

        double MedianOf(Func<MachineSeries, Series> series) => Series.MedianOf([.. run.SelectMany(machine => series(machine).Values)]);
    }

    private static BenchRow Row(string name, string weights, double value, string unit) =>
        BenchRow.Rate(new BenchCase(name, "machine", weights), value, unit, value);
}
