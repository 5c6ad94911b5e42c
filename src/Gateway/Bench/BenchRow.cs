using System.Text.Json;

namespace Gateway.Bench;

/// <summary>One figure of a run.</summary>
/// <param name="Name">What was measured.</param>
/// <param name="Shape">S, Q, a checkpoint's name, or machine for its limits.</param>
/// <param name="Weights">Weight format.</param>
/// <param name="Streams">Sequences that decode, or 0.</param>
/// <param name="Adapters">Adapters in memory, or 0.</param>
/// <param name="Context">Tokens before the measured one, mean; length of a prompt or training sequence; or 0.</param>
/// <param name="Value">The figure.</param>
/// <param name="Unit">Unit of <paramref name="Value"/> and <paramref name="Limit"/>.</param>
/// <param name="Limit">The best that is possible: the bound of the machine, or the run it is compared with.</param>
/// <param name="Share">How much of the limit is reached, 0 to 1: value ÷ limit, or limit ÷ value where less is better.</param>
internal sealed record BenchRow(
    string Name, string Shape, string Weights, int Streams, int Adapters, int Context, double Value, string Unit, double Limit, double Share)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true };

    /// <summary>A figure of which more is better.</summary>
    public static BenchRow Rate(BenchCase of, double value, string unit, double limit) => Of(of, value, unit, limit, value / limit);

    /// <summary>A figure of which less is better.</summary>
    public static BenchRow Cost(BenchCase of, double value, string unit, double limit) => Of(of, value, unit, limit, limit / value);

    /// <summary>Writes the rows as a JSON array.</summary>
    public static async Task WriteAsync(string path, IReadOnlyList<BenchRow> rows)
    {
        await using var file = File.Create(path);
        await JsonSerializer.SerializeAsync(file, rows, Json);
    }

    // Measured limits vary by a few percent, so a figure compared with another run can come out just above it.
    private static BenchRow Of(BenchCase of, double value, string unit, double limit, double share) =>
        new(of.Name, of.Shape, of.Weights, of.Streams, of.Adapters, of.Context, value, unit, limit, Math.Clamp(share, 0, 1));
}

/// <summary>What identifies a figure: the columns of <see cref="BenchRow"/> before its value.</summary>
internal sealed record BenchCase(string Name, string Shape, string Weights, int Streams = 0, int Adapters = 0, int Context = 0);
