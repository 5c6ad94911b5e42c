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
public sealed class RowEncoder(ConversationRenderer renderer, Contract? contract, int contextLength)
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
            var rendered = Render(row);
            var reason = rendered.Rejection is not null ? "unrenderable"
                : rendered.Ids.Length > contextLength ? "too_long"
                : !rendered.Mask.Skip(1).Any(trained => trained) ? "no_targets"
                : null;
            if (reason is null)
            {
                encoded.Add(new EncodedExample(row.Id, row.Kind, row.Weight, rendered.Ids, LastTurn(rendered.Mask)));
            }
            else
            {
                _dropped[reason] = _dropped.GetValueOrDefault(reason) + 1;
            }
        }

        return encoded;
    }

    /// <summary>
    /// The messages the model sees for a row. Replay rows go without the contract: they stand for everything it is not about.
    /// Curation has dropped rows the contract refuses.
    /// </summary>
    public static IReadOnlyList<ChatMessage> PromptOf(ExampleRow row, Contract? contract) =>
        contract is null || row.Kind == ExampleKind.Replay ? row.Messages : ContractApplication.Apply(contract.Content, row.Messages).Messages!;

    private RenderedChat Render(ExampleRow row)
    {
        try
        {
            return renderer.Render(
                [.. PromptOf(row, contract), new ChatMessage { Role = "assistant", Content = row.Target }],
                row.Kind == ExampleKind.Replay ? null : contract?.Content.Tools);
        }
        catch (TemplateException e)
        {
            return new RenderedChat("", [], [], e.Message);
        }
    }

    /// <summary>Only the target is trained: earlier assistant turns are what the model said, right or wrong.</summary>
    private static bool[] LastTurn(bool[] mask)
    {
        var end = Array.LastIndexOf(mask, true);
        var start = Array.LastIndexOf(mask, false, end) + 1;
        var last = new bool[mask.Length];
        last.AsSpan(start, end - start + 1).Fill(true);
        return last;
    }
}
