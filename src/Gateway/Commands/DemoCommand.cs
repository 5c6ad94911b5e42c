using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Gateway.Demo;
using Gateway.Hosting;
using Gateway.Jobs;
using Gateway.Training.Evaluation;
using Spectre.Console;

namespace Gateway.Commands;

/// <summary><c>gateway demo</c>: the main job end to end, in a temporary data folder.</summary>
internal static class DemoCommand
{
    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var dataset = new Option<string?>("--dataset") { Description = "Your own messages: JSON Lines {\"text\",\"label\"}. Default: the messages shipped with the demo." };
        var heldOut = new Option<string?>("--heldout") { Description = "Held-out messages of the same shape; without it 30 % of the data set is held out." };
        var intents = new Option<int?>("--intents") { Description = "Keep only the N most frequent labels of --dataset." };
        var json = new Option<string?>("--json") { Description = "Write the figures to this file." };
        var command = new Command(
            "demo",
            "Watch the whole loop: serve, record, learn, release, roll back. Takes a few minutes, leaves nothing behind.\n\n"
            + "Examples:\n  gateway demo\n  gateway demo --dataset train.jsonl --heldout test.jsonl --intents 10 --json figures.json")
        {
            dataset, heldOut, intents, json,
        };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            parsed.GetValue(dataset), parsed.GetValue(heldOut), parsed.GetValue(intents), parsed.GetValue(json), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string? dataset, string? heldOut, int? intents, string? json, CancellationToken cancellationToken)
    {
        DemoData data;
        try
        {
            data = dataset is null ? DemoData.LoadDefault() : DemoData.Load(dataset, heldOut, intents);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return 1;
        }

        var folder = Directory.CreateTempSubdirectory("gateway-demo-");
        try
        {
            await using var host = await GatewayHost.StartAsync(Options(folder.FullName), Quieten, cancellationToken);
            using var client = new DemoClient(host.Address);
            AnsiConsole.MarkupLineInterpolated($"Gateway at [blue]{host.Address}[/]; {data.Intents.Count} intents, {data.Traffic.Count} messages, {data.HeldOut.Count} held out.");
            var report = await WithProgressAsync(progress => new DemoRun(client, new DemoOptions(data), progress).RunAsync(cancellationToken));
            Print(report);
            if (json is not null)
            {
                await File.WriteAllTextAsync(json, JsonSerializer.Serialize(report, DemoJson.Default.DemoReport) + "\n", cancellationToken);
            }

            return report.HarmfulRolledBack && report.AccuracyGain.Low > 0 ? 0 : 1;
        }
        catch (DemoFailedException e)
        {
            await Console.Error.WriteLineAsync($"The demo stopped: {e.Message}");
            return 1;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Hold times and the attribution window are shorter than in production; nothing else is.</summary>
    private static ServeOptions Options(string data)
    {
        var learning = new LearningOptions();
        return new ServeOptions
        {
            Data = data,
            Url = "http://127.0.0.1:0",
            Learning = learning with
            {
                Rollout = learning.Rollout with { Hold = TimeSpan.Zero, AttributionWindow = TimeSpan.FromSeconds(1) },
            },
        };
    }

    private static void Quieten(WebApplicationBuilder builder) => builder.Logging.SetMinimumLevel(LogLevel.Warning);

    private static Task<DemoReport> WithProgressAsync(Func<Action<DemoProgress>, Task<DemoReport>> run) =>
        AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn(), new SpinnerColumn())
            .StartAsync(context =>
            {
                var bars = new Dictionary<string, ProgressTask>(StringComparer.Ordinal);
                return run(progress =>
                {
                    lock (bars)
                    {
                        if (!bars.TryGetValue(progress.Phase, out var bar))
                        {
                            bar = bars[progress.Phase] = context.AddTask(progress.Phase, maxValue: 1);
                        }

                        bar.IsIndeterminate = progress.Share is null;
                        bar.Value = progress.Share ?? bar.Value;
                        bar.Description = progress.Note.Length > 0 ? $"{progress.Phase}: {progress.Note.EscapeMarkup()}" : progress.Phase;
                    }
                });
            });

    private static void Print(DemoReport report)
    {
        static string Percent(Interval interval) => string.Create(
            CultureInfo.InvariantCulture, $"{interval.Value:P1} [{interval.Low:P1}, {interval.High:P1}] of {interval.N}");
        static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
        var table = new Table().AddColumns("figure", "before", "after");
        table.AddRow("schema-valid replies", Percent(report.SchemaValidBefore).EscapeMarkup(), Percent(report.SchemaValidAfter).EscapeMarkup());
        table.AddRow("right intents", Percent(report.AccuracyBefore).EscapeMarkup(), Percent(report.AccuracyAfter).EscapeMarkup());
        table.AddRow("gain, paired", "", Text($"{report.AccuracyGain.Value:P1} [{report.AccuracyGain.Low:P1}, {report.AccuracyGain.High:P1}]").EscapeMarkup());
        table.AddRow("majority share / bag of words", "", Text($"{report.MajorityShare:P1} / {report.BagOfWordsAccuracy:P1}"));
        table.AddRow("chat time per token, p99", Text($"{report.TpotP99Idle:F1} ms idle"), Text($"{report.TpotP99Training:F1} ms while training"));
        table.AddRow("permuted labels", "", report.HarmfulRolledBack ? $"rolled back after {report.HarmfulPairs} pairs" : "NOT rolled back");
        table.AddRow("manual rollback", "", Text($"{report.ManualRollbackMs:F0} ms"));
        table.AddRow("duration", "", Text($"{report.Seconds:F0} s"));
        AnsiConsole.Write(table);
        var recall = new Table().AddColumns("intent", "recall");
        foreach (var (intent, value) in report.Recall)
        {
            recall.AddRow(intent.EscapeMarkup(), Text($"{value:P0}"));
        }

        AnsiConsole.Write(recall);
    }
}
