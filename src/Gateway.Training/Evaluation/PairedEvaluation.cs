using System.Text.Json;
using Gateway.Domain.Contracts;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Training.Data;
using Gateway.Training.Sft;

namespace Gateway.Training.Evaluation;

/// <summary>
/// Stable and candidate answer the same frozen test rows, greedily, through the serving engine; and both score the frozen
/// base's own replies to held-out general prompts, which neither was trained on.
/// </summary>
public sealed class PairedEvaluation(Transformer model, ConversationRenderer renderer, Contract? contract)
{
    private readonly JsonSchema? _schema = contract is null ? null : OutputSchema.Of(contract);

    /// <summary>Runs the comparison. <paramref name="stableFolder"/> null means that the base model serves.</summary>
    public async Task<EvaluationReport> RunAsync(
        IReadOnlyList<ExampleRow> test,
        IReadOnlyList<ExampleRow> general,
        string? stableFolder,
        string candidateFolder,
        Action<int, int> onProgress,
        CancellationToken cancellationToken)
    {
        var prompts = test.Select(row => RowEncoder.PromptOf(row, contract)).ToList();
        var settings = new ReplySettings
        {
            MaxTokens = contract?.Content.Sampling.MaxTokens ?? 128,
            Stop = contract?.Content.Sampling.Stop ?? [],
            Tools = contract?.Content.Tools,
        };
        IReadOnlyList<GeneratedReply> stable, candidate;
        using (var generator = new ReplyGenerator(model, renderer))
        {
            stable = await generator.GenerateAsync(prompts, stableFolder, settings, (done, total) => onProgress(done, 2 * total), cancellationToken);
            candidate = await generator.GenerateAsync(prompts, candidateFolder, settings, (done, total) => onProgress(total + done, 2 * total), cancellationToken);
        }

        var items = test.Select((row, i) => new EvaluatedItem(
            row.Id,
            row.Target,
            stable[i].Text,
            candidate[i].Text,
            IsCorrect(row.Target, stable[i].Text),
            IsCorrect(row.Target, candidate[i].Text),
            IsValid(stable[i].Text),
            IsValid(candidate[i].Text))).ToList();
        return new EvaluationReport
        {
            StableAccuracy = Share(items, item => item.StableCorrect),
            CandidateAccuracy = Share(items, item => item.CandidateCorrect),
            AccuracyGain = Gain(items, item => item.StableCorrect, item => item.CandidateCorrect),
            StableValid = Share(items, item => item.StableValid),
            CandidateValid = Share(items, item => item.CandidateValid),
            ValidGain = Gain(items, item => item.StableValid, item => item.CandidateValid),
            Forgetting = Forgetting(general, candidateFolder),
            Items = items,
        };
    }

    /// <summary>Equal as JSON values where the contract asks for JSON, otherwise as text without surrounding white space.</summary>
    private bool IsCorrect(string expected, string reply)
    {
        if (_schema is null)
        {
            return string.Equals(expected.Trim(), reply.Trim(), StringComparison.Ordinal);
        }

        try
        {
            using var left = JsonDocument.Parse(expected);
            using var right = JsonDocument.Parse(reply);
            return JsonElement.DeepEquals(left.RootElement, right.RootElement);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private bool IsValid(string reply) => _schema is null || _schema.ValidateText(reply).Count == 0;

    /// <summary>Mean loss per token of each general reply under the candidate minus under the frozen base.</summary>
    private Interval Forgetting(IReadOnlyList<ExampleRow> general, string candidateFolder)
    {
        using var pass = new TrainingPass(model);
        using var candidate = PeftFile.Load(candidateFolder, model.Config, new AdapterLimits());
        var encoder = new RowEncoder(renderer, contract: null, model.Config.ContextLength);
        var differences = encoder.Encode(general).Select(example =>
        {
            var batch = SftBatch.Pack([example]);
            return (pass.Evaluate(batch, candidate) - pass.Evaluate(batch, (LoraWeights?)null)) / example.TargetCount;
        }).ToArray();
        return Interval.PairedDifference(differences);
    }

    private static Interval Share(List<EvaluatedItem> items, Func<EvaluatedItem, bool> of) => Interval.Proportion(items.Count(of), items.Count);

    private static Interval Gain(List<EvaluatedItem> items, Func<EvaluatedItem, bool> stable, Func<EvaluatedItem, bool> candidate) =>
        Interval.PairedDifference([.. items.Select(item => (candidate(item) ? 1.0 : 0) - (stable(item) ? 1 : 0))]);
}
