using System.Net.Http.Json;
using System.Text.Json;
using Gateway.Hosting;
using Gateway.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.FunctionalTests.Sdk;

/// <summary>
/// The default mode on a tiny model: front door, engine and store in one process, with a second deployment whose contract has a
/// chat template that shows tools.
/// </summary>
internal sealed class ServedModel : IAsyncDisposable
{
    /// <summary>The deployment that may be given tools.</summary>
    public const string ToolDeployment = "with-tools";

    private const string Template =
        "{% if tools %}<|start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}<tool_call>\n{...}\n</tool_call><|end|>{% endif %}"
        + "{% for message in messages %}<|start|>{{ message.role }}\n{{ message.content }}{% for call in message.tool_calls %}<tool_call>\n"
        + "{\"name\": \"{{ call.function.name }}\", \"arguments\": {{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|end|>{% endfor %}"
        + "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}";

    private readonly TinyModel _model;
    private readonly TemporaryFolder _data = TestData.CreateFolder();

    private ServedModel(int contextLength) => _model = new TinyModel(contextLength, markers: ["<tool_call>", "</tool_call>"]);

    public GatewayHost Host { get; private set; } = null!;

    public HttpClient Client { get; private set; } = null!;

    public TinyModel Model => _model;

    public string DataFolder => _data.Path;

    /// <param name="contextLength">Of the model, in tokens.</param>
    /// <param name="configure">Adds services.</param>
    public static async Task<ServedModel> StartAsync(int contextLength = 4096, Action<WebApplicationBuilder>? configure = null)
    {
        var served = new ServedModel(contextLength);
        served.Host = await GatewayHost.StartAsync(
            new ServeOptions { Model = served._model.Path, Data = served._data.Path, Url = "http://127.0.0.1:0", Threads = 1 },
            builder =>
            {
                builder.Logging.ClearProviders();
                configure?.Invoke(builder);
            },
            TestContext.Current.CancellationToken);
        served.Client = new HttpClient { BaseAddress = served.Host.Address };
        await served.PostAsync("/v1/contracts", new { name = "tools", content = new { chat_template = Template } });
        var release = await served.PostAsync("/v1/releases", new { contract = "tools@1" });
        await served.PostAsync("/v1/deployments", new { name = ToolDeployment, release_id = release.GetProperty("id").GetString() });
        return served;
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Host.DisposeAsync();
        _model.Dispose();
        _data.Dispose();
    }

    /// <summary>Posts JSON that must be accepted.</summary>
    public async Task<JsonElement> PostAsync(string path, object body)
    {
        using var response = await Client.PostAsJsonAsync(path, body, TestContext.Current.CancellationToken);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.IsSuccessStatusCode, text);
        return JsonDocument.Parse(text).RootElement;
    }
}
