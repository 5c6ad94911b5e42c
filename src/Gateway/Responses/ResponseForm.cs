using System.Buffers;
using System.Text.Json;
using Gateway.Api.Wire;
using Gateway.Domain.Privacy;
using Gateway.FrontDoor;
using Gateway.Guards;
using Gateway.Records;

namespace Gateway.Responses;

/// <summary>
/// A worker's chat reply as a response: whole, or as typed events. A response that is kept is durable before its last event, or
/// its body, leaves: the next turn may come at once. One per exchange.
/// </summary>
internal sealed partial class ResponseForm(
    Exchange exchange, ResponseRequest request, ResolvedInput input, ResponseItemIds ids, StoredResponses stored, RecordOptions records, TimeProvider clock,
    ILogger logger) : IReplyForm, IDisposable
{
    private readonly ReplyRewriter _notes = new(exchange);
    private readonly ResponseEvents _events = new();
    private ResponseOutput? _output;
    private ResponseState _state = new("in_progress");
    private int _cachedTokens;
    private bool _hasFinished;
    private bool _couldNotKeep;

    /// <summary>Writes the response object.</summary>
    public ResponseWriter Writer { get; } = new(exchange, request);

    /// <inheritdoc/>
    public ApiError Translate(ApiError error) => ResponseErrors.Translate(error, request.Instructions is not null);

    /// <inheritdoc/>
    public async ValueTask<ApiError?> WriteWholeAsync(JsonElement reply, GuardedChoices? guarded, IBufferWriter<byte> body)
    {
        _output = NewOutput(events: null);
        Take(reply, guarded);
        if (!_hasFinished)
        {
            throw new InvalidOperationException("The worker ended the reply without a reason.");
        }

        if (await CompleteAsync() is { } error)
        {
            return error;
        }

        await using var json = new Utf8JsonWriter(body, WireJson.WriterOptions);
        Writer.Write(json, _state, _output);
        return null;
    }

    /// <inheritdoc/>
    public bool TryRepeatChunk(ReadOnlySpan<byte> chunk, PooledBuffer output) => false;

    /// <inheritdoc/>
    public void WriteChunk(JsonElement chunk, GuardedChoices? guarded, PooledBuffer output)
    {
        Begin(output);
        Take(chunk, guarded);
    }

    /// <inheritdoc/>
    public async ValueTask<ApiError?> CompleteAsync()
    {
        var reason = exchange.FinishReason switch
        {
            "length" => "max_output_tokens",
            "content_filter" => "content_filter",
            _ => null,
        };
        _state = new(
            reason is null ? "completed" : "incomplete", reason, CompletedAt: reason is null ? clock.GetUtcNow() : null, Usage: exchange.Usage, CachedTokens: _cachedTokens);
        if (!request.Store)
        {
            return null;
        }

        try
        {
            await KeepAsync();
            return null;
        }
        catch (IOException failure)
        {
            _couldNotKeep = true;
            LogNotKept(exchange.Id, failure.Message);
            return ApiError.StoreUnavailable();
        }
    }

    /// <inheritdoc/>
    public void WriteEnd(IBufferWriter<byte> output)
    {
        _events.Output = output;
        WriteLifecycle(_state.Status == "completed" ? "response.completed" : "response.incomplete");
    }

    /// <inheritdoc/>
    public async ValueTask WriteFailureAsync(ApiError error, IBufferWriter<byte> output)
    {
        Begin(output);
        _output!.BreakOff();
        _state = new("failed", Error: error.Message, Usage: exchange.Usage, CachedTokens: _cachedTokens);
        await KeepIfPossibleAsync();

        // Clients differ in what they look at: a nested error, a flat one, or the last event.
        var json = _events.Begin("error");
        json.WriteString("code", error.Code);
        json.WriteString("message", error.Message);
        json.WriteString("param", error.Param);
        json.WriteStartObject("error");
        json.WriteString("type", error.Type);
        json.WriteString("code", error.Code);
        json.WriteString("message", error.Message);
        json.WriteString("param", error.Param);
        json.WriteEndObject();
        _events.End();
        WriteLifecycle("response.failed");
    }

    /// <inheritdoc/>
    public async ValueTask AbandonAsync()
    {
        // Before the first event nobody knows the id.
        if (request.Chat.Stream && _output is not null)
        {
            _output.BreakOff();
            _state = new("cancelled", Usage: exchange.Usage, CachedTokens: _cachedTokens);
            await KeepIfPossibleAsync();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _events.Dispose();

    private void Begin(IBufferWriter<byte> output)
    {
        _events.Output = output;
        if (_output is not null)
        {
            return;
        }

        WriteLifecycle("response.created");
        WriteLifecycle("response.in_progress");
        _output = NewOutput(_events);
    }

    private ResponseOutput NewOutput(ResponseEvents? events) =>
        new(ids, input.All.Where(item => item.Kind == ResponseItemKind.Call).Select(item => item.CallId).ToHashSet(StringComparer.Ordinal), events);

    private void WriteLifecycle(string type)
    {
        var json = _events.Begin(type);
        json.WritePropertyName("response");
        Writer.Write(json, _state, _output);
        _events.End();
    }

    private void Take(JsonElement reply, GuardedChoices? guarded)
    {
        if (guarded is { IsEmpty: true })
        {
            return;
        }

        var choices = _notes.Note(reply, guarded);
        if (reply.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object
            && usage.TryGetProperty("prompt_tokens_details", out var details) && details.ValueKind == JsonValueKind.Object
            && details.TryGetProperty("cached_tokens", out var cached) && cached.ValueKind == JsonValueKind.Number)
        {
            _cachedTokens = cached.GetInt32();
        }

        if (choices.ValueKind != JsonValueKind.Array || choices.GetArrayLength() == 0 || _hasFinished)
        {
            return;
        }

        if (guarded is null)
        {
            TakeChoice(choices[0]);
        }
        else
        {
            TakeGuarded(guarded.Find(choices[0]));
        }

        if (exchange.FinishReason is { } reason)
        {
            _hasFinished = true;
            _output!.Finish(isComplete: reason is not ("length" or "content_filter"));
        }
    }

    private void TakeChoice(JsonElement choice)
    {
        if (request.IncludesLogprobs && choice.TryGetProperty("logprobs", out var logprobs) && logprobs.ValueKind == JsonValueKind.Object
            && logprobs.TryGetProperty("content", out var tokens) && tokens.ValueKind == JsonValueKind.Array)
        {
            _output!.AddLogprobs(tokens);
        }

        if (!choice.TryGetProperty("delta", out var part) && !choice.TryGetProperty("message", out part))
        {
            return;
        }

        _output!.AddText(Text(part, "content") ?? "");
        _output.AddText(Text(part, "refusal") ?? "", isRefusal: true);
        if (!part.TryGetProperty("tool_calls", out var calls) || calls.ValueKind != JsonValueKind.Array)
        {
            return;
        }

        foreach (var (place, call) in calls.EnumerateArray().Index())
        {
            var number = call.TryGetProperty("index", out var index) ? index.GetInt32() : place;
            var function = call.TryGetProperty("function", out var found) ? found : default;
            _output.AddCall(number, Text(call, "id"), Text(function, "name"), Text(function, "arguments"));
        }
    }

    private void TakeGuarded(GuardedChoice choice)
    {
        _output!.AddText(choice.Text);
        foreach (var (place, call) in (choice.ToolCalls ?? []).Index())
        {
            _output.AddCall(place, call.Id, call.Name, call.Arguments);
        }
    }

    private async Task KeepIfPossibleAsync()
    {
        // A store that was waited for once is not waited for again: the client is to hear of it.
        if (!request.Store || _couldNotKeep)
        {
            return;
        }

        try
        {
            await KeepAsync();
        }
        catch (IOException failure)
        {
            LogNotKept(exchange.Id, failure.Message);
        }
    }

    private async Task KeepAsync()
    {
        Func<string, string> text = records.Redact ? given => PiiRedactor.Redact(given).Text : given => given;
        var deployment = exchange.Assigned.Deployment.Deployment.Name;
        var created = DateTimeOffset.FromUnixTimeSeconds(exchange.Created);
        var response = new StoredResponse
        {
            Id = exchange.Id,
            Owner = exchange.Caller.Owner,
            Deployment = deployment,
            CreatedAt = created,
            ExpiresAt = stored.ExpiryOf(deployment, created),
            Previous = request.Previous,
            Root = input.Previous?.Root ?? exchange.Id,
            Depth = input.Previous is { } previous ? previous.Depth + 1 : 0,
            ChainBytes = (input.Previous?.ChainBytes ?? 0) + input.InputBytes + _output!.Items.Sum(item => item.Size),
            Unit = exchange.Unit.Value,
            UnitSource = exchange.Unit.Source,
            Input = WireJson.Element(json =>
            {
                json.WriteStartArray();
                foreach (var item in input.Input)
                {
                    Changed(item, text).WriteTo(json);
                }

                json.WriteEndArray();
            }),
            Reply = WireJson.Element(json => Writer.Write(json, _state, _output, text)),
        };

        // The reply ends with this write, so a client that leaves does not cancel it.
        await stored.AddAsync(response, input.Ancestors, CancellationToken.None);
    }

    private static ResponseItem Changed(ResponseItem item, Func<string, string> text) =>
        item with { Text = text(item.Text), Parts = [.. item.Parts.Select(part => part with { Text = text(part.Text) })] };

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    [LoggerMessage(LogLevel.Error, "Response {Id} could not be kept: {Failure}")]
    private partial void LogNotKept(string id, string failure);
}
