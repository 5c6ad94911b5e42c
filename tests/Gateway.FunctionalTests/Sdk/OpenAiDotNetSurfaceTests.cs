using System.ClientModel;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Embeddings;
using Xunit;

namespace Gateway.FunctionalTests.Sdk;

/// <summary>Every option that the official OpenAI .NET client has, on a real engine behind the front door.</summary>
public sealed class OpenAiDotNetSurfaceTests : IAsyncLifetime
{
    private const int X = 'x' + 2;
    private static readonly UserChatMessage s_question = new("the ox");
    private static readonly ChatTool s_weather = ChatTool.CreateFunctionTool("weather", "d", BinaryData.FromString(
        """{"type":"object","properties":{"city":{"enum":["Rome","Oslo"]}},"required":["city"],"additionalProperties":false}"""), functionSchemaIsStrict: true);

    private ServedModel _served = null!;
    private OpenAIClient _client = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private ChatClient Chat => _client.GetChatClient("starter");

    private ChatClient ToolChat => _client.GetChatClient(ServedModel.ToolDeployment);

    public async ValueTask InitializeAsync()
    {
        _served = await ServedModel.StartAsync();
        _client = new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(_served.Host.Address, "/v1") });
    }

    public ValueTask DisposeAsync() => _served.DisposeAsync();

    [Fact]
    public async Task Options_are_honoured()
    {
        var options = new ChatCompletionOptions
        {
            Temperature = 0,
            TopP = 0.9f,
            MaxOutputTokenCount = 3,
            FrequencyPenalty = 0.5f,
            PresencePenalty = -0.5f,
            EndUserId = "u",
            IncludeLogProbabilities = true,
            TopLogProbabilityCount = 2,
            StoredOutputEnabled = true,
        };
        options.LogitBiases[X] = 100;
        options.StopSequences.Add("yy");
        options.Metadata["topic"] = "a";

        ChatCompletion reply = await Chat.CompleteChatAsync([s_question], options, Cancellation);

        Assert.Equal("xxx", reply.Content[0].Text);
        Assert.Equal(ChatFinishReason.Length, reply.FinishReason);
        Assert.Equal(3, reply.ContentTokenLogProbabilities.Count);
        Assert.Equal(2, reply.ContentTokenLogProbabilities[0].TopLogProbabilities.Count);
        Assert.Equal(3, reply.Usage.OutputTokenCount);
        var kept = await _served.Client.GetStringAsync($"/v1/chat/completions/{reply.Id}", Cancellation);
        Assert.Contains("\"topic\":\"a\"", kept, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Structured_output_fits_its_schema_in_both_modes()
    {
        var options = new ChatCompletionOptions
        {
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat(
                "reply", BinaryData.FromString("""{"type":"object","properties":{"kind":{"enum":["a","b"]}},"required":["kind"],"additionalProperties":false}"""), jsonSchemaIsStrict: true),
        };

        ChatCompletion reply = await Chat.CompleteChatAsync([s_question], options, Cancellation);
        var streamed = "";
        ChatTokenUsage? usage = null;
        await foreach (var update in Chat.CompleteChatStreamingAsync([s_question], options, Cancellation))
        {
            streamed += string.Concat(update.ContentUpdate.Select(part => part.Text));
            usage = update.Usage ?? usage;
        }

        Assert.All([reply.Content[0].Text, streamed], text => Assert.Contains(JsonDocument.Parse(text).RootElement.GetProperty("kind").GetString(), (string[])["a", "b"]));
        Assert.True(usage!.InputTokenCount > 0);
    }

    [Fact]
    public async Task A_required_call_is_made_answered_and_streamed()
    {
        var options = new ChatCompletionOptions { ToolChoice = ChatToolChoice.CreateFunctionChoice("weather"), AllowParallelToolCalls = false };
        options.Tools.Add(s_weather);

        ChatCompletion reply = await ToolChat.CompleteChatAsync([s_question], options, Cancellation);
        Assert.Equal(ChatFinishReason.ToolCalls, reply.FinishReason);
        var call = Assert.Single(reply.ToolCalls);
        Assert.Equal("weather", call.FunctionName);
        Assert.Contains("city", call.FunctionArguments.ToString(), StringComparison.Ordinal);

        var arguments = "";
        string? id = null;
        ChatFinishReason? finish = null;
        await foreach (var update in ToolChat.CompleteChatStreamingAsync([s_question], options, Cancellation))
        {
            foreach (var news in update.ToolCallUpdates)
            {
                id ??= news.ToolCallId;
                arguments += news.FunctionArgumentsUpdate?.ToString();
            }

            finish ??= update.FinishReason;
        }

        Assert.StartsWith("call_", id, StringComparison.Ordinal);
        Assert.Equal(ChatFinishReason.ToolCalls, finish);
        Assert.Contains(JsonDocument.Parse(arguments).RootElement.GetProperty("city").GetString(), (string[])["Rome", "Oslo"]);

        ChatCompletion answer = await ToolChat.CompleteChatAsync(
            [s_question, new AssistantChatMessage(reply), new ToolChatMessage(call.Id, "sunny")], new ChatCompletionOptions { MaxOutputTokenCount = 2 }, Cancellation);
        Assert.Empty(answer.ToolCalls);
    }

    [Fact]
    public async Task Embeddings_are_unit_vectors()
    {
        var client = _client.GetEmbeddingClient("starter");
        OpenAIEmbeddingCollection vectors = await client.GenerateEmbeddingsAsync(["the fox", "the ox"], cancellationToken: Cancellation);

        Assert.Equal(2, vectors.Count);
        Assert.Equal(1, vectors[0].ToFloats().ToArray().Sum(value => (double)value * value), 1e-4);
        Assert.True(vectors.Usage.TotalTokenCount > 0);
    }

    [Fact]
    public async Task Refusals_say_what_is_wrong()
    {
        var options = new ChatCompletionOptions();
        options.Tools.Add(s_weather);
        var error = await Assert.ThrowsAsync<ClientResultException>(async () => await Chat.CompleteChatAsync([s_question], options, Cancellation));

        Assert.Equal(400, error.Status);
        Assert.Contains("chat template", error.Message, StringComparison.Ordinal);
    }
}
