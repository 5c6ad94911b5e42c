using Gateway.Model.Numerics;

namespace Gateway.Bench;

/// <summary>The limits of the machine, measured again in every round beside what is compared with them.</summary>
internal sealed class MachineSeries
{
    private readonly Series _fma;
    private readonly Series _int8;
    private readonly Series _read;

    /// <summary>Prepares the measurements on <paramref name="threads"/> threads.</summary>
    public MachineSeries(int threads)
    {
        _fma = new("FMA peak", () => Task.FromResult(MachineLimits.MeasureFmaPeak(threads)));
        _int8 = new("int8 peak", () => Task.FromResult(MachineLimits.MeasureInt8Peak(threads)));
        _read = new("memory read", () => Task.FromResult(MachineLimits.MeasureRead(threads)));
    }

    /// <summary>What to measure.</summary>
    public IReadOnlyList<Series> All => [_fma, _int8, _read];

    /// <summary>The medians of all rounds.</summary>
    public Roofline Roofline => new(_fma.Median, _int8.Median, _read.Median);

    /// <summary>The limits as rows: each is its own limit.</summary>
    public static IEnumerable<BenchRow> Rows(Roofline limits)
    {
        yield return Row("limit_fma_f32", "f32", limits.FmaF32 / 1e9, "GFLOPS");
        yield return Row("limit_vnni_int8", "int8", limits.Int8 / 1e9, "GOPS");
        yield return Row("limit_read", string.Empty, limits.Read / 1e9, "GB/s");
    }

    private static BenchRow Row(string name, string weights, double value, string unit) =>
        BenchRow.Rate(new BenchCase(name, "machine", weights), value, unit, value);
}
