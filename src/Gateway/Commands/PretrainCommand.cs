using System.CommandLine;
using Gateway.Training.Pretraining;
using Spectre.Console;

namespace Gateway.Commands;

/// <summary><c>gateway pretrain</c>: trains the starter base model from scratch.</summary>
internal static class PretrainCommand
{
    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var corpora = new Option<string>("--corpora")
        {
            Description = "Folder with books, dialogues and tasks as NAME.jsonl.gz and NAME-validation.jsonl.gz.",
            Required = true,
        };
        var output = new Option<string>("--output")
        {
            Description = "Folder that becomes the model directory. A killed run continues from its checkpoint there.",
            Required = true,
        };
        var tokens = new Option<long>("--tokens")
        {
            Description = "Length of the run in tokens; the default takes about half an hour on two cores.",
            DefaultValueFactory = _ => StarterRecipe.DefaultTokens,
        };
        var threads = new Option<int>("--threads") { Description = "Compute threads.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var seed = new Option<int>("--seed") { Description = "Seed of initialisation and data order.", DefaultValueFactory = _ => 1 };
        var command = new Command(
            "pretrain",
            "Train the starter base model from scratch: tokenizer, weights, figures and model card.\n\n"
            + "Example:\n  gateway pretrain --corpora ~/corpora --output ./starter")
        {
            corpora, output, tokens, threads, seed,
        };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            new PretrainOptions
            {
                Corpora = parsed.GetRequiredValue(corpora),
                Output = parsed.GetRequiredValue(output),
                Tokens = parsed.GetValue(tokens),
                Threads = parsed.GetValue(threads),
                Seed = parsed.GetValue(seed),
                Prompts = GeneralPrompts.Read(),
            },
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(PretrainOptions options, CancellationToken cancellationToken)
    {
        if (Corpus.Check(options.Corpora) is { } problem)
        {
            await Console.Error.WriteLineAsync(problem);
            return 1;
        }

        if (options.Tokens < StarterRecipe.BatchTokens)
        {
            await Console.Error.WriteLineAsync($"--tokens must be at least {StarterRecipe.BatchTokens}, one optimiser step.");
            return 1;
        }

        await AnsiConsole.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                var bars = new Dictionary<string, ProgressTask>(StringComparer.Ordinal);
                var progress = new SynchronousProgress<PretrainProgress>(report =>
                {
                    lock (bars)
                    {
                        if (!bars.TryGetValue(report.Stage, out var bar))
                        {
                            bar = bars[report.Stage] = context.AddTask(report.Stage);
                        }

                        bar.IsIndeterminate = report.Total == 0;
                        bar.MaxValue = Math.Max(1, report.Total);
                        bar.Value = report.Done;
                        bar.Description = report.Note.Length > 0 ? $"{report.Stage}: {report.Note.EscapeMarkup()}" : report.Stage;
                    }
                });
                await Task.Run(() => new PretrainRun(options, TimeProvider.System, progress).RunAsync(cancellationToken), cancellationToken);
            });
        Console.WriteLine($"Done. Serve it with: gateway serve --model {options.Output}");
        return 0;
    }
}
