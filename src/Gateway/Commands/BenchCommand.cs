using System.CommandLine;
using Gateway.Bench;
using Gateway.Model.Text;
using Gateway.Model.Weights;
using Spectre.Console;

namespace Gateway.Commands;

/// <summary><c>gateway bench</c>: measures the machine and how near the engine comes to it.</summary>
internal static class BenchCommand
{
    private const string AllShapes = "all";

    // Columns that the table needs where there is no terminal to ask.
    private const int FileWidth = 150;

    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var shape = new Option<string>("--shape")
        {
            Description = "Shape of the random model: S (135 M weights), Q (494 M), or all.",
            DefaultValueFactory = _ => AllShapes,
        };
        var model = new Option<string?>("--model") { Description = "Measure this Hugging Face model folder instead of random weights." };
        var weights = new Option<string>("--weights")
        {
            Description = "Weight formats, comma-separated: f32, bf16, int8, int4. The first gets every row, the others prefill and decode.",
            DefaultValueFactory = _ => "int8,int4",
        };
        var only = new Option<string?>("--only") { Description = $"Rows to measure, comma-separated: {string.Join(", ", BenchOptions.RowNames)}." };
        var quality = new Option<bool>("--quality") { Description = "Measure what the formats cost in quality on --text instead: perplexity, KL to f32, top-1 agreement." };
        var text = new Option<string?>("--text") { Description = "Text for --quality: a plain file, or .jsonl.gz rows with \"text\"." };
        var json = new Option<string?>("--json") { Description = "Also write the rows to this file." };
        var threads = new Option<int>("--threads") { Description = "Compute threads.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var command = new Command(
            "bench",
            """
            Measure the machine's limits and, in the same run, how much of them the engine reaches.

            Every figure is the median of five rounds in which all figures of a model take turns; its share is that of the limit
            that bounds it: memory bandwidth for decoding one stream, integer arithmetic for prefill and large batches, f32
            arithmetic for training, the batch without adapters for batches with them. Nothing else should run meanwhile.

            Examples:
              gateway bench
              gateway bench --shape S --weights int8 --only limit_read,decode --json decode.json
              gateway bench --model ~/models/Qwen2.5-0.5B-Instruct --weights bf16,int8,int4
              gateway bench --quality --text book.txt
            """)
        {
            shape, model, weights, only, quality, text, json, threads,
        };
        command.SetAction((parsed, cancellationToken) =>
        {
            try
            {
                var options = new BenchOptions
                {
                    Shapes = Shapes(parsed.GetRequiredValue(shape)),
                    Model = parsed.GetValue(model),
                    Weights = [.. Names(parsed.GetRequiredValue(weights)).Select(Format)],
                    Only = parsed.GetValue(only) is { } names ? [.. Names(names).Select(Row)] : BenchOptions.RowNames,
                    Threads = parsed.GetValue(threads),
                };
                if (!parsed.GetValue(quality))
                {
                    return RunAsync(
                        async progress =>
                        {
                            using var run = new BenchRun(options, progress);
                            return await run.RunAsync(cancellationToken);
                        },
                        parsed.GetValue(json),
                        cancellationToken);
                }

                var path = parsed.GetValue(text) ?? throw new ArgumentException("--quality needs a text: pass --text FILE");
                return RunAsync(progress => QuantizationQuality.RunAsync(options, path, progress, cancellationToken), parsed.GetValue(json), cancellationToken);
            }
            catch (ArgumentException refusal)
            {
                return Refusal.WriteAsync(refusal.Message);
            }
        });
        return command;
    }

    private static async Task<int> RunAsync(
        Func<BenchProgress, Task<IReadOnlyList<BenchRow>>> run, string? json, CancellationToken cancellationToken)
    {
        try
        {
            IReadOnlyList<BenchRow> rows = [];
            await AnsiConsole.Progress()
                .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn())
                .StartAsync(async context =>
                {
                    ProgressTask? bar = null;
                    var current = string.Empty;
                    var progress = new BenchProgress((stage, now, done) =>
                    {
                        if (bar is null || stage != current)
                        {
                            bar?.StopTask();
                            (bar, current) = (context.AddTask(stage.EscapeMarkup(), maxValue: 1), stage);
                        }

                        bar.Description = done < 1 && now.Length > 0 ? $"{stage}, {now}".EscapeMarkup() : stage.EscapeMarkup();
                        bar.Value = done;
                    });
                    rows = await Task.Run(() => run(progress), cancellationToken);
                });
            if (Console.IsOutputRedirected)
            {
                AnsiConsole.Profile.Width = FileWidth;
            }

            AnsiConsole.Write(BenchTable.Create(rows));
            if (json is not null)
            {
                await BenchRow.WriteAsync(json, rows);
            }

            return cancellationToken.IsCancellationRequested ? await Refusal.WriteAsync("the run was stopped: the rows above are those it had measured") : 0;
        }
        catch (Exception refusal) when (refusal is ModelFormatException or TokenizerException or InvalidDataException or FileNotFoundException)
        {
            return await Refusal.WriteAsync(refusal.Message);
        }
    }

    private static string[] Names(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static IReadOnlyList<BenchShape> Shapes(string name) =>
        string.Equals(name, AllShapes, StringComparison.OrdinalIgnoreCase) ? BenchShape.All
        : BenchShape.All.FirstOrDefault(shape => string.Equals(shape.Name, name, StringComparison.OrdinalIgnoreCase)) is { } found ? [found]
        : throw new ArgumentException($"--shape '{name}' is unknown: use {string.Join(", ", BenchShape.All.Select(shape => shape.Name))} or {AllShapes}");

    private static WeightFormat Format(string name) =>
        WeightFormats.TryParse(name, out var format) ? format : throw new ArgumentException($"--weights '{name}' is unknown: use f32, bf16, int8 or int4");

    private static string Row(string name) =>
        BenchOptions.RowNames.Contains(name, StringComparer.Ordinal) ? name
        : throw new ArgumentException($"--only '{name}' is unknown: use {string.Join(", ", BenchOptions.RowNames)}");
}
