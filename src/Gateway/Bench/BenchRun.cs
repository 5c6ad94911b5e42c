using Gateway.Engine;
using Gateway.Hosting;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Text;
using Gateway.Model.Weights;

namespace Gateway.Bench;

/// <summary>A whole run: read <see cref="RunAsync"/> first. Everything it writes lies in one temporary folder, which it deletes.</summary>
/// <param name="options">What to measure.</param>
/// <param name="progress">Told before and after every measurement.</param>
internal sealed class BenchRun(BenchOptions options, BenchProgress progress) : IDisposable
{
    private const int CacheBlocks = 1024;

    private readonly ReadBuffer _buffer = new();
    private readonly List<MachineSeries> _machine = [];
    private readonly List<BenchRow> _rows = [];

    /// <summary>
    /// Measures and returns the rows:
    /// 1. make the weights of each shape; 2. measure each weight format: loading, then serving, in alternating rounds together
    /// with the machine's limits, with which they are compared; 3. measure training. A run that is cancelled returns the rows
    /// it has.
    /// </summary>
    /// <exception cref="ModelFormatException">The checkpoint cannot be measured.</exception>
    public async Task<IReadOnlyList<BenchRow>> RunAsync(CancellationToken cancellationToken)
    {
        var work = Directory.CreateTempSubdirectory("gateway-bench-").FullName;
        using var compute = new Compute(options.Threads);
        try
        {
            var subjects = options.Model is { } model
                ? [(Shape: BenchShape.Of(model), Folder: model)]
                : options.Shapes.Select(shape => (Shape: shape, Folder: Path.Combine(work, shape.Name)));
            foreach (var (shape, folder) in subjects)
            {
                if (options.Model is null)
                {
                    progress.Begin($"{shape.Name}: random weights", 1);
                    RandomCheckpoint.Write(folder, shape.Config, seed: 1);
                }

                foreach (var format in options.Weights)
                {
                    await MeasureAsync(shape, folder, format, work, compute, cancellationToken).ConfigureAwait(false);
                }

                if (IsWanted("train_lora") && (shape == BenchShape.S || options.Model is not null))
                {
                    using var train = new TrainSeries(folder, shape, compute);
                    await AlternateAsync($"{shape.Name}: training", train.All, train.Rows, cancellationToken).ConfigureAwait(false);
                }

                if (options.Model is null)
                {
                    Directory.Delete(folder, recursive: true);
                }
            }

            if (_machine.Count == 0)
            {
                await AlternateAsync("machine", [], _ => [], cancellationToken).ConfigureAwait(false);
            }

        }
        catch (OperationCanceledException) when (_rows.Count > 0)
        {
            // Minutes of measuring are not thrown away.
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }

        return [.. MachineSeries.Rows(_machine).Concat(_rows).Where(row => IsWanted(row.Name))];
    }

    /// <inheritdoc/>
    public void Dispose() => _buffer.Dispose();

    private async Task MeasureAsync(BenchShape shape, string folder, WeightFormat format, string work, Compute compute, CancellationToken cancellationToken)
    {
        var isMain = format == options.Weights[0];
        var stage = $"{shape.Name} {format.Name()}";
        bool IsRow(string name) => IsWanted(name) && (isMain || name is "prefill" or "decode");

        var load = new LoadSeries(folder, Path.Combine(work, "cache"), shape, format, compute, IsRow);
        if (load.All.Count > 0)
        {
            await AlternateAsync($"{stage}: loading", load.All, load.Rows, cancellationToken).ConfigureAwait(false);
        }

        if (!ServingSeries.RowNames.Concat(["itl_under_prefill", "speculation", "swap"]).Any(IsRow))
        {
            return;
        }

        // Random weights repeat themselves, which is easy to guess: with speculation their figures would be too good.
        var engineOptions = new EngineOptions { CacheBlocks = CacheBlocks, Speculation = Speculate.Never };
        using var model = Transformer.Load(folder, compute, format);
        if (ServingSeries.RowNames.Any(IsRow))
        {
            using var serving = new ServingSeries(model, shape, format, engineOptions, IsRow);
            await AlternateAsync(stage, serving.All, serving.Rows, cancellationToken).ConfigureAwait(false);
        }

        // One shape is enough for what depends on scheduling and not on size.
        if (shape == BenchShape.Q)
        {
            return;
        }

        if (IsRow("itl_under_prefill"))
        {
            using var interference = new InterferenceSeries(model, shape, format, engineOptions);
            await AlternateAsync($"{stage}: long prompts", interference.All, _ => interference.Rows(), cancellationToken).ConfigureAwait(false);
        }

        if (IsRow("speculation") && options.Model is null)
        {
            await SpeculateAsync(shape, format, work, engineOptions, compute, cancellationToken).ConfigureAwait(false);
        }

        if (IsRow("swap"))
        {
            using var swap = new SwapSeries(model, shape, format, engineOptions, work);
            await AlternateAsync($"{stage}: swaps", swap.All, swap.Rows, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Speculation on a checkpoint that says real text.</summary>
    private async Task SpeculateAsync(
        BenchShape shape, WeightFormat format, string work, EngineOptions engineOptions, Compute compute, CancellationToken cancellationToken)
    {
        var folder = Path.Combine(work, "scripted");
        ScriptedCheckpoint.Write(folder, shape.Config);
        using var model = Transformer.Load(folder, compute, format);
        using var speculation = new SpeculationSeries(model, Tokenizer.Load(ServeOptions.StarterModel), shape, format, engineOptions);
        await AlternateAsync($"{shape.Name} {format.Name()}: speculation", speculation.All, _ => speculation.Rows(), cancellationToken).ConfigureAwait(false);
    }

    private bool IsWanted(string row) => options.Only.Contains(row, StringComparer.Ordinal);

    /// <summary>Measures series in turn with the machine's limits, which vary in minutes; <paramref name="rows"/> compares them.</summary>
    private async Task AlternateAsync(
        string stage, IReadOnlyList<Series> series, Func<Roofline, IEnumerable<BenchRow>> rows, CancellationToken cancellationToken)
    {
        var machine = new MachineSeries(options.Threads, _buffer);
        List<Series> all = [.. machine.All, .. series];
        progress.Begin(stage, all.Count * (BenchOptions.Rounds + 1));
        await Series.AlternateAsync(all, BenchOptions.Rounds, progress, cancellationToken).ConfigureAwait(false);
        _machine.Add(machine);
        _rows.AddRange(rows(machine.Roofline));
    }
}
