using System.ClientModel;
using Gateway.FunctionalTests.FrontDoor;
using OpenAI;
using OpenAI.Chat;
using Xunit;

namespace Gateway.FunctionalTests.Sdk;

/// <summary>The official OpenAI .NET client, unmodified.</summary>
public sealed class OpenAiDotNetTests : IAsyncLifetime
{
    private GatewayUnderTest _gateway = null!;
    private OpenAIClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _gateway = await GatewayUnderTest.StartAsync();
        _client = new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(_gateway.Host.Address, "/v1") });
    }

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task Chats()
    {
        ChatCompletion reply = await _client.GetChatClient("starter").CompleteChatAsync([new UserChatMessage("Hi")], cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("Hello", reply.Content[0].Text);
        Assert.Equal(ChatFinishReason.Stop, reply.FinishReason);
        Assert.Equal(9, reply.Usage.TotalTokenCount);
    }

    [Fact]
    public async Task Streams()
    {
        var text = "";
        ChatFinishReason? finish = null;
        await foreach (var update in _client.GetChatClient("starter").CompleteChatStreamingAsync([new UserChatMessage("Hi")], cancellationToken: TestContext.Current.CancellationToken))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            finish ??= update.FinishReason;
        }

        Assert.Equal("Hello", text);
        Assert.Equal(ChatFinishReason.Stop, finish);
    }

    [Fact]
    public async Task Lists_models()
    {
        var models = await _client.GetOpenAIModelClient().GetModelsAsync(TestContext.Current.CancellationToken);
        Assert.Equal("starter", Assert.Single(models.Value).Id);
    }

    [Fact]
    public async Task Maps_errors()
    {
        var error = await Assert.ThrowsAsync<ClientResultException>(async () =>
            await _client.GetChatClient("nobody").CompleteChatAsync([new UserChatMessage("Hi")], cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(404, error.Status);
        Assert.Contains("nobody", error.Message, StringComparison.Ordinal);
    }

    // This client does not look at error events, so a torn reply shows only as a stream without a finish reason.
    [Fact]
    public async Task A_torn_stream_has_no_finish_reason()
    {
        _gateway.Worker.Ending = "die";
        ChatFinishReason? finish = null;
        await foreach (var update in _client.GetChatClient("starter").CompleteChatStreamingAsync([new UserChatMessage("Hi")], cancellationToken: TestContext.Current.CancellationToken))
        {
            finish ??= update.FinishReason;
            _gateway.Worker.Die.TrySetResult();
        }

        Assert.Null(finish);
    }
}
