using System.Net;
using System.Text;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

public sealed class WorkerLifecycleTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EngineThatStopsMidStream_SendsAnErrorEventAndNoDone()
    {
        await using var server = new WorkerServer();
        await server.InitializeAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = new StringContent(WorkerServer.Body("\"stream\":true,\"ignore_eos\":true,\"max_tokens\":8000"), Encoding.UTF8, "application/json"),
        };
        using var response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Cancellation));
        Assert.StartsWith("data: {\"id\"", await reader.ReadLineAsync(Cancellation), StringComparison.Ordinal);

        server.Runtime.Engine.Dispose();
        var rest = await reader.ReadToEndAsync(Cancellation);

        var last = rest.TrimEnd('\n').Split("\n\n")[^1];
        Assert.StartsWith("data: {\"error\":{\"message\":", last, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"engine_failed\"", last, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", rest, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SharedToken_GuardsEverythingButHealth()
    {
        await using var server = new WorkerServer { Token = "secret" };
        await server.InitializeAsync();

        using var open = await server.Client.GetAsync("/health", Cancellation);
        Assert.Equal(HttpStatusCode.OK, open.StatusCode);
        using var refused = await server.Client.GetAsync("/v1/models", Cancellation);
        await WorkerServer.AssertErrorAsync(refused, 401, "invalid_api_key");
        server.Client.DefaultRequestHeaders.Authorization = new("Bearer", "secret");
        using var allowed = await server.Client.GetAsync("/v1/models", Cancellation);
        Assert.Equal(HttpStatusCode.OK, allowed.StatusCode);
        using var version = await server.Client.GetAsync("/version", Cancellation);
        Assert.Contains("kernels", await version.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }
}
