using System.Buffers;

namespace Gateway.Api.Wire;

/// <summary>Writes chat completions. A caller that used <c>functions</c> gets its call as <c>function_call</c>.</summary>
public sealed class ChatCompletionWriter(ReplyHead head, bool includeUsage, bool usesFunctionCall = false) : ReplyWriter(head, includeUsage)
{
    private protected override string WholeKind => "chat.completion";

    private protected override string EventKind => "chat.completion.chunk";

    /// <inheritdoc/>
    public override void WriteStart(IBufferWriter<byte> output, int choice)
    {
        BeginChoice(choice);
        Json.WriteStartObject("delta");
        Json.WriteString("role", "assistant");
        Json.WriteString("content", "");
        Json.WriteEndObject();
        Json.WriteNull("logprobs");
        EndChoice(output, end: null);
    }

    /// <summary>Text and each call's news are events of their own; the first carries the tokens.</summary>
    public override void WriteDelta(IBufferWriter<byte> output, int choice, ReplyDelta delta)
    {
        var tokens = delta.Tokens;
        if (delta.Text.Length > 0 || (delta.Calls.Count == 0 && tokens.Count > 0))
        {
            BeginChoice(choice);
            Json.WriteStartObject("delta");
            Json.WriteString("content", delta.Text);
            Json.WriteEndObject();
            WriteLogprobs(tokens);
            EndChoice(output, end: null);
            tokens = [];
        }

        foreach (var call in delta.Calls)
        {
            BeginChoice(choice);
            Json.WriteStartObject("delta");
            WriteCall(call);
            Json.WriteEndObject();
            WriteLogprobs(tokens);
            EndChoice(output, end: null);
            tokens = [];
        }
    }

    /// <inheritdoc/>
    public override void WriteFinish(IBufferWriter<byte> output, int choice, ChoiceEnd end)
    {
        BeginChoice(choice);
        Json.WriteStartObject("delta");
        Json.WriteEndObject();
        Json.WriteNull("logprobs");
        EndChoice(output, end);
    }

    private protected override void WriteWholeChoice(ReplyDelta whole)
    {
        Json.WriteStartObject("message");
        Json.WriteString("role", "assistant");
        Json.WriteString("content", whole.Calls.Count > 0 && whole.Text.Length == 0 ? null : whole.Text);
        Json.WriteNull("refusal");
        if (usesFunctionCall && whole.Calls is [var only, ..])
        {
            WriteFunction("function_call", only);
        }
        else if (whole.Calls.Count > 0)
        {
            Json.WriteStartArray("tool_calls");
            foreach (var call in whole.Calls)
            {
                Json.WriteStartObject();
                Json.WriteString("id", call.Id);
                Json.WriteString("type", "function");
                WriteFunction("function", call);
                Json.WriteEndObject();
            }

            Json.WriteEndArray();
        }

        Json.WriteEndObject();
        WriteLogprobs(whole.Tokens);
    }

    private void WriteCall(ToolCallDelta call)
    {
        if (usesFunctionCall)
        {
            WriteFunction("function_call", call);
            return;
        }

        Json.WriteStartArray("tool_calls");
        Json.WriteStartObject();
        Json.WriteNumber("index", call.Index);
        if (call.Id is not null)
        {
            Json.WriteString("id", call.Id);
            Json.WriteString("type", "function");
        }

        WriteFunction("function", call);
        Json.WriteEndObject();
        Json.WriteEndArray();
    }

    private void WriteFunction(string member, ToolCallDelta call)
    {
        Json.WriteStartObject(member);
        if (call.Name is not null)
        {
            Json.WriteString("name", call.Name);
        }

        Json.WriteString("arguments", call.Arguments);
        Json.WriteEndObject();
    }

    private void WriteLogprobs(IReadOnlyList<ScoredToken> tokens)
    {
        if (tokens.Count == 0)
        {
            Json.WriteNull("logprobs");
            return;
        }

        Json.WriteStartObject("logprobs");
        Json.WriteStartArray("content");
        foreach (var token in tokens)
        {
            Json.WriteStartObject();
            WriteToken(token);
            Json.WriteStartArray("top_logprobs");
            foreach (var alternative in token.Alternatives)
            {
                Json.WriteStartObject();
                WriteToken(alternative);
                Json.WriteEndObject();
            }

            Json.WriteEndArray();
            Json.WriteEndObject();
        }

        Json.WriteEndArray();
        Json.WriteNull("refusal");
        Json.WriteEndObject();
    }

    private void WriteToken(ScoredToken token)
    {
        Json.WriteString("token", token.Piece);
        Json.WriteNumber("logprob", token.Logprob ?? 0);
        Json.WriteStartArray("bytes");
        foreach (var value in token.Bytes)
        {
            Json.WriteNumberValue(value);
        }

        Json.WriteEndArray();
    }
}
