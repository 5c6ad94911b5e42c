using Gateway.Model.Weights;

namespace Gateway.Model.Network;

/// <summary>Packed documents to train on: rows of one pass, block-diagonal causal attention, positions restarting per document.</summary>
/// <param name="Tokens">Token id per row.</param>
/// <param name="Labels">The token each row must predict (already shifted), or <see cref="NoLabel"/>.</param>
/// <param name="DocumentStarts">First row of every document, then the number of rows: [0, …, rows].</param>
public sealed record TrainingBatch(int[] Tokens, int[] Labels, int[] DocumentStarts)
{
    /// <summary>Marks a row that predicts nothing.</summary>
    public const int NoLabel = -100;

    /// <summary>Throws when lengths, borders, tokens or labels do not fit each other or the model.</summary>
    /// <exception cref="ArgumentException">The batch is malformed; the message says how.</exception>
    internal void Require(ModelConfig config)
    {
        if (Tokens.Length == 0 || Labels.Length != Tokens.Length)
        {
            throw new ArgumentException($"a batch of {Tokens.Length} tokens has {Labels.Length} labels; give one label per token and at least one token.");
        }

        if (DocumentStarts.Length < 2 || DocumentStarts[0] != 0 || DocumentStarts[^1] != Tokens.Length)
        {
            throw new ArgumentException("DocumentStarts must begin with 0 and end with the number of rows.");
        }

        for (var document = 0; document + 1 < DocumentStarts.Length; document++)
        {
            var length = DocumentStarts[document + 1] - DocumentStarts[document];
            if (length < 1 || length > config.ContextLength)
            {
                throw new ArgumentException($"document {document} has {length} tokens; the context holds 1 to {config.ContextLength}, so drop or cut it.");
            }
        }

        RowPlan.RequireTokens(Tokens, config);
        foreach (var label in Labels)
        {
            if (label != NoLabel && (uint)label >= (uint)config.VocabularySize)
            {
                throw new ArgumentException($"label {label} is outside the vocabulary of {config.VocabularySize}; use {NoLabel} for rows without a target.");
            }
        }
    }
}
