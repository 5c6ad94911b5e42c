using System.Buffers;

namespace Gateway.Api.Wire;

/// <summary>Writes text completions; events have the form of whole replies.</summary>
public sealed class CompletionWriter(ReplyHead head, bool includeUsage) : ReplyWriter(head, includeUsage)
{
    private protected override string WholeKind => "text_completion";

    private protected override string EventKind => "text_completion";

    /// <summary>Text completions begin with their text.</summary>
    public override void WriteStart(IBufferWriter<byte> output, int choice)
    {
    }

    /// <inheritdoc/>
    public override void WriteDelta(IBufferWriter<byte> output, int choice, ReplyDelta delta)
    {
        if (delta.Text.Length > 0 || delta.Tokens.Count > 0)
        {
            BeginChoice(choice);
            WriteWholeChoice(delta);
            EndChoice(output, end: null);
        }
    }

    /// <inheritdoc/>
    public override void WriteFinish(IBufferWriter<byte> output, int choice, ChoiceEnd end)
    {
        BeginChoice(choice);
        Json.WriteString("text", "");
        Json.WriteNull("logprobs");
        EndChoice(output, end);
    }

    private protected override void WriteWholeChoice(ReplyDelta whole)
    {
        Json.WriteString("text", whole.Text);
        if (whole.Tokens.Count == 0)
        {
            Json.WriteNull("logprobs");
            return;
        }

        Json.WriteStartObject("logprobs");
        Json.WriteStartArray("tokens");
        foreach (var token in whole.Tokens)
        {
            Json.WriteStringValue(token.Piece);
        }

        Json.WriteEndArray();
        Json.WriteStartArray("token_logprobs");
        foreach (var token in whole.Tokens)
        {
            WriteNumber(token.Logprob);
        }

        Json.WriteEndArray();
        Json.WriteStartArray("top_logprobs");
        foreach (var token in whole.Tokens)
        {
            WriteAlternatives(token);
        }

        Json.WriteEndArray();
        Json.WriteStartArray("text_offset");
        foreach (var token in whole.Tokens)
        {
            Json.WriteNumberValue(token.TextOffset);
        }

        Json.WriteEndArray();
        Json.WriteEndObject();
    }

    /// <summary>By text, each once: of tokens that look alike the likeliest. The token itself is always among them.</summary>
    private void WriteAlternatives(ScoredToken token)
    {
        if (token.Logprob is null)
        {
            Json.WriteNullValue();
            return;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        Json.WriteStartObject();
        foreach (var alternative in token.Alternatives.Append(token))
        {
            if (seen.Add(alternative.Piece))
            {
                Json.WriteNumber(alternative.Piece, alternative.Logprob ?? 0);
            }
        }

        Json.WriteEndObject();
    }

    private void WriteNumber(double? value)
    {
        if (value is { } number)
        {
            Json.WriteNumberValue(number);
        }
        else
        {
            Json.WriteNullValue();
        }
    }
}
