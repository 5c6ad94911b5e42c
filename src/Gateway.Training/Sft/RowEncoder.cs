using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Model.Text;
using Gateway.Training.Data;

namespace Gateway.Training.Sft;

/// <summary>
/// Renders rows with the serving renderer: the contract's messages plus the target as the assistant's turn; targets are the
/// last turn's text and end mark. A row that does not fit the context or has nothing to train is left out and counted, never
/// cut.
/// </summary>
public sealed class RowEncoder(ChatRenderer renderer, Contract? contract, int contextLength)
{
    private readonly Dictionary<string, int> _dropped = new(StringComparer.Ordinal);

    /// <summary>Rows left out so far, by reason.</summary>
    public IReadOnlyDictionary<string, int> Dropped => _dropped;

    /// <summary>Renders <paramref name="rows"/>.</summary>
    public IReadOnlyList<EncodedExample> Encode(IEnumerable<ExampleRow> rows)
    {
        var encoded = new List<EncodedExample>();
        foreach (var row in rows)
        {
            var prompt = PromptOf(row, contract);
            var rendered = prompt is null ? null : renderer.RenderTraining([.. prompt, new ChatMessage { Role = "assistant", Content = row.Target }]);
            var reason = rendered is null ? "unrenderable"
                : rendered.Ids.Length > contextLength ? "too_long"
                : !rendered.Mask.Skip(1).Any(trained => trained) ? "no_targets"
                : null;
            if (reason is null)
            {
                // Replay rows are rendered without the contract: they stand for everything the contract is not about.
                encoded.Add(new EncodedExample(row.Id, row.Kind, row.Weight, rendered!.Ids, rendered.Mask));
            }
            else
            {
                _dropped[reason] = _dropped.GetValueOrDefault(reason) + 1;
            }
        }

        return encoded;
    }

    /// <summary>The messages the model sees for a row, or null when the contract refuses them.</summary>
    public static IReadOnlyList<ChatMessage>? PromptOf(ExampleRow row, Contract? contract) =>
        contract is null || row.Kind == ExampleKind.Replay ? row.Messages : ContractApplication.Apply(contract.Content, row.Messages).Messages;
}
