using System.CommandLine;
using System.Text.Json;
using Gateway.Model.Lora;
using Gateway.Model.Network;
using Gateway.Model.Numerics;
using Gateway.Model.Text;
using Gateway.Model.Weights;

namespace Gateway.Commands;

/// <summary><c>gateway score</c>: log-probabilities of given tokens under a model and an optional adapter.</summary>
internal static class ScoreCommand
{
    /// <summary>The command with its options.</summary>
    public static Command Create()
    {
        var model = new Option<string>("--model") { Description = "Hugging Face model folder.", Required = true };
        var adapter = new Option<string?>("--adapter") { Description = "PEFT LoRA folder." };
        var weights = WeightsOption.Create("The default is f32, the reference.");
        var command = new Command(
            "score",
            """
            Read {"ids"} or {"prompt","completion"} lines, write {"logprobs"} lines: n-1 natural logarithms for n ids.

            Ids are scored as given; prompt and completion are encoded without special tokens and joined.

            Example:
              echo '{"prompt":"Once upon a","completion":" time"}' | gateway score --model ./model --adapter ./adapter
            """)
        {
            model, adapter, weights,
        };
        command.SetAction((parsed, _) => RunAsync(
            parsed.GetRequiredValue(model), parsed.GetValue(adapter), parsed.GetValue(weights) ?? WeightFormat.F32));
        return command;
    }

    private static Task<int> RunAsync(string folder, string? adapterFolder, WeightFormat weights)
    {
        using var compute = new Compute(Environment.ProcessorCount);
        try
        {
            using var model = Transformer.Load(folder, compute, weights);
            using var adapter = adapterFolder is null ? null : PeftFile.Load(adapterFolder, model.Config, new AdapterLimits(), model.Fingerprint);
            var tokenizer = new Lazy<Tokenizer>(() => Tokenizer.Load(folder));
            using var pass = new TrainingPass(model);
            return Task.FromResult(JsonLines.Run((line, writer) => Score(model, adapter, pass, tokenizer, line, writer)));
        }
        catch (Exception e) when (e is ModelFormatException or InvalidAdapterException or TokenizerException)
        {
            return Refusal.WriteAsync(e.Message);
        }
    }

    private static void Score(
        Transformer model, LoraWeights? adapter, TrainingPass pass, Lazy<Tokenizer> tokenizer, JsonElement line, Utf8JsonWriter writer)
    {
        var ids = line.TryGetProperty("ids", out var given)
            ? Ids(given)
            : [.. tokenizer.Value.Encode(JsonLines.Text(line, "prompt")), .. tokenizer.Value.Encode(JsonLines.Text(line, "completion"))];
        if (ids.Length > model.Config.ContextLength + 1)
        {
            throw new BadLineException($"{ids.Length} ids are more than the context of {model.Config.ContextLength} can score; shorten the line");
        }

        if (ids.FirstOrDefault(id => (uint)id >= (uint)model.Config.VocabularySize, -1) is var outside && outside != -1)
        {
            throw new BadLineException($"id {outside} is outside the vocabulary of {model.Config.VocabularySize}");
        }

        writer.WriteStartArray("logprobs");
        if (ids.Length > 1)
        {
            var logProbabilities = new double[ids.Length - 1];
            pass.Evaluate(new TrainingBatch(ids[..^1], ids[1..], [0, ids.Length - 1]), adapter, logProbabilities);
            foreach (var value in logProbabilities)
            {
                writer.WriteNumberValue(value);
            }
        }

        writer.WriteEndArray();
    }

    private static int[] Ids(JsonElement given) =>
        given.ValueKind == JsonValueKind.Array && given.EnumerateArray().All(id => id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out var value) && value >= 0)
            ? [.. given.EnumerateArray().Select(id => id.GetInt32())]
            : throw new BadLineException("expected an array of token ids \"ids\", or strings \"prompt\" and \"completion\"");
}
