using System.ClientModel;
using System.ClientModel.Primitives;
using System.Text.Json;
using OpenAI;
using OpenAI.Responses;
using Xunit;

#pragma warning disable OPENAI001 // The client marks the whole API as experimental.

namespace Gateway.FunctionalTests.Sdk;

/// <summary>The responses API through the official OpenAI .NET client, unmodified, on a real engine.</summary>
public sealed class OpenAiDotNetResponsesTests : IAsyncLifetime
{
    private static readonly ResponseTool s_weather = ResponseTool.CreateFunctionTool("weather", BinaryData.FromString(
        """{"type":"object","properties":{"city":{"enum":["Rome","Oslo"]}},"required":["city"],"additionalProperties":false}"""), strictModeEnabled: true);

    private ServedModel _served = null!;
    private ResponsesClient _client = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _served = await ServedModel.StartAsync();
        _client = new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(_served.Host.Address, "/v1") }).GetResponsesClient();
    }

    public ValueTask DisposeAsync() => _served.DisposeAsync();

    [Fact]
    public async Task A_response_is_made_read_continued_listed_and_deleted()
    {
        var options = Options(ResponseItem.CreateSystemMessageItem("s"), ResponseItem.CreateDeveloperMessageItem("d"), ResponseItem.CreateUserMessageItem("the ox"), ResponseItem.CreateAssistantMessageItem("moo"), ResponseItem.CreateUserMessageItem("and?"));
        (options.Instructions, options.MaxOutputTokenCount, options.Temperature, options.EndUserId) = ("Be brief.", 3, 0, "ann");
        options.Metadata["topic"] = "a";
        ResponseResult first = await _client.CreateResponseAsync(options, Cancellation);
        Assert.Equal(3, first.MaxOutputTokenCount);
        Assert.NotNull(first.Instructions);
        Assert.NotNull(first.Usage.InputTokenDetails);

        ResponseResult read = await _client.GetResponseAsync(first.Id, cancellationToken: Cancellation);
        Assert.Equal((first.GetOutputText(), first.Status), (read.GetOutputText(), read.Status));

        var next = Options(ResponseItem.CreateUserMessageItem("more"));
        (next.PreviousResponseId, next.MaxOutputTokenCount) = (first.Id, 3);
        ResponseResult second = await _client.CreateResponseAsync(next, Cancellation);
        var items = new List<ResponseItem>();
        await foreach (var item in _client.GetResponseInputItemsAsync(new ResponseItemCollectionOptions(second.Id) { PageSizeLimit = 2 }, Cancellation))
        {
            items.Add(item);
        }

        Assert.Equal(7, items.Count);
        Assert.Equal("more", ((MessageResponseItem)items[0]).Content[0].Text);
        Assert.Equal(7, items.Select(item => item.Id).Distinct().Count());

        ResponseDeletionResult deleted = await _client.DeleteResponseAsync(first.Id, Cancellation);
        Assert.True(deleted.Deleted);
        var missing = await Assert.ThrowsAsync<ClientResultException>(() => _client.GetResponseAsync(first.Id, cancellationToken: Cancellation));
        Assert.Equal(404, missing.Status);
        Assert.Contains("not found", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_sums_up_to_the_response()
    {
        var options = Options(ResponseItem.CreateUserMessageItem("the ox"));
        (options.StreamingEnabled, options.MaxOutputTokenCount, options.TopLogProbabilityCount) = (true, 6, 2);
        options.IncludedProperties.Add(new IncludedResponseProperty("message.output_text.logprobs"));
        var text = "";
        ResponseResult? last = null;
        var done = "";
        var position = 0;
        await foreach (var update in await _client.CreateResponseStreamingAsync(options, Cancellation))
        {
            Assert.Equal(position++, update.SequenceNumber);
            switch (update)
            {
                case StreamingResponseOutputTextDeltaUpdate delta:
                    text += delta.Delta;
                    break;
                case StreamingResponseOutputTextDoneUpdate whole:
                    done = whole.Text;
                    break;
                case StreamingResponseCompletedUpdate completed:
                    last = completed.Response;
                    break;
                case StreamingResponseIncompleteUpdate incomplete:
                    last = incomplete.Response;
                    break;
            }
        }

        Assert.Equal((text, text), (done, last!.GetOutputText()));
        Assert.Contains(last.Status, (ResponseStatus?[])[ResponseStatus.Completed, ResponseStatus.Incomplete]);
    }

    [Fact]
    public async Task A_function_is_called_whole_and_streamed_and_its_output_goes_on()
    {
        var options = Options(ResponseItem.CreateUserMessageItem("the ox"));
        options.Model = ServedModel.ToolDeployment;
        options.Tools.Add(s_weather);
        options.ToolChoice = ResponseToolChoice.CreateFunctionChoice("weather");
        ResponseResult first = await _client.CreateResponseAsync(options, Cancellation);
        var call = Assert.IsType<FunctionCallResponseItem>(Assert.Single(first.OutputItems));
        Assert.Contains(JsonDocument.Parse(call.FunctionArguments).RootElement.GetProperty("city").GetString(), (string[])["Rome", "Oslo"]);
        Assert.Null(first.GetOutputText());

        var next = Options(ResponseItem.CreateFunctionCallOutputItem(call.CallId, "sunny"));
        (next.Model, next.PreviousResponseId, next.MaxOutputTokenCount) = (ServedModel.ToolDeployment, first.Id, 4);
        ResponseResult second = await _client.CreateResponseAsync(next, Cancellation);
        Assert.Equal(first.Id, second.PreviousResponseId);

        var replay = Options([ResponseItem.CreateUserMessageItem("the ox"), .. first.OutputItems, ResponseItem.CreateFunctionCallOutputItem(call.CallId, "sunny")]);
        (replay.Model, replay.MaxOutputTokenCount) = (ServedModel.ToolDeployment, 4);
        ResponseResult third = await _client.CreateResponseAsync(replay, Cancellation);
        Assert.Equal(second.Usage.InputTokenCount, third.Usage.InputTokenCount);

        options.StreamingEnabled = true;
        var arguments = "";
        var done = "";
        await foreach (var update in await _client.CreateResponseStreamingAsync(options, Cancellation))
        {
            arguments += update is StreamingResponseFunctionCallArgumentsDeltaUpdate delta ? delta.Delta.ToString() : "";
            done += update is StreamingResponseFunctionCallArgumentsDoneUpdate whole ? whole.FunctionArguments.ToString() : "";
        }

        Assert.Equal(arguments, done);
        Assert.NotEmpty(done);
    }

    [Fact]
    public async Task Structured_output_limits_and_opting_out()
    {
        var options = Options(ResponseItem.CreateUserMessageItem("the ox"));
        options.StoredOutputEnabled = false;
        options.TextOptions = new ResponseTextOptions
        {
            TextFormat = ResponseTextFormat.CreateJsonSchemaFormat(
                "reply", BinaryData.FromString("""{"type":"object","properties":{"kind":{"enum":["a","b"]}},"required":["kind"],"additionalProperties":false}"""), jsonSchemaIsStrict: true),
        };
        ResponseResult reply = await _client.CreateResponseAsync(options, Cancellation);
        Assert.Contains(JsonDocument.Parse(reply.GetOutputText()).RootElement.GetProperty("kind").GetString(), (string[])["a", "b"]);
        var missing = await Assert.ThrowsAsync<ClientResultException>(() => _client.GetResponseAsync(reply.Id, cancellationToken: Cancellation));
        Assert.Equal(404, missing.Status);

        var brief = Options(ResponseItem.CreateUserMessageItem("the ox"));
        brief.MaxOutputTokenCount = 1;
        ResponseResult cut = await _client.CreateResponseAsync(brief, Cancellation);
        Assert.True(cut.Status == ResponseStatus.Completed || cut.IncompleteStatusDetails?.Reason == ResponseIncompleteStatusReason.MaxOutputTokens);
    }

    [Fact]
    public async Task Input_tokens_are_counted_exactly()
    {
        using var body = BinaryContent.Create(BinaryData.FromString("""{"model":"starter","input":"the ox","instructions":"i"}"""));
        var counted = await _client.GetInputTokenCountAsync(body, "application/json", new RequestOptions { CancellationToken = Cancellation });
        var count = JsonDocument.Parse(counted.GetRawResponse().Content).RootElement;
        Assert.Equal("response.input_tokens", count.GetProperty("object").GetString());
        var options = Options(ResponseItem.CreateUserMessageItem("the ox"));
        (options.Instructions, options.MaxOutputTokenCount) = ("i", 1);
        ResponseResult reply = await _client.CreateResponseAsync(options, Cancellation);
        Assert.Equal(reply.Usage.InputTokenCount, count.GetProperty("input_tokens").GetInt32());
    }

    private static CreateResponseOptions Options(params IEnumerable<ResponseItem> items)
    {
        var options = new CreateResponseOptions { Model = "starter" };
        foreach (var item in items)
        {
            options.InputItems.Add(item);
        }

        return options;
    }
}
