using System.Net.Http.Json;
using System.Text.Json;
using Gateway.Hosting;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Gateway.FunctionalTests.Hosting;

/// <summary>Serving with quantized weights: the release names them, the next start finds them packed.</summary>
public sealed class WeightFormatTests
{
    [Theory]
    [InlineData(WeightFormat.BF16, "bf16")]
    [InlineData(WeightFormat.Int8, "int8")]
    [InlineData(WeightFormat.Int4, "int4")]
    public async Task The_release_names_the_format_and_a_restart_answers_the_same(WeightFormat format, string name)
    {
        using var model = new TinyModel();
        using var data = TestData.CreateFolder();
        var options = new ServeOptions { Model = model.Path, Data = data.Path, Url = "http://127.0.0.1:0", Threads = 1, Weights = format };
        var (release, reply) = await ServeAsync(options);
        var packed = Assert.Single(Directory.GetFiles(new DataFolder(data.Path).Cache, "*", SearchOption.AllDirectories));
        var written = File.GetLastWriteTimeUtc(packed);

        Assert.Equal(name, release);
        Assert.Equal((release, reply), await ServeAsync(options));
        Assert.Equal(written, File.GetLastWriteTimeUtc(packed));

        var refusal = await Assert.ThrowsAsync<StartRefusedException>(() => ServeAsync(options with { Weights = WeightFormat.F32 }));
        Assert.Contains($"--weights {name}", refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>The weight format of the base deployment's release, and a reply.</summary>
    private static async Task<(string? Format, string? Reply)> ServeAsync(ServeOptions options)
    {
        await using var host = await GatewayHost.StartAsync(options, builder => builder.Logging.ClearProviders(), TestContext.Current.CancellationToken);
        using var client = new HttpClient { BaseAddress = host.Address };
        using var response = await client.PostAsJsonAsync(
            "/v1/chat/completions",
            new { model = options.Name, max_tokens = 8, temperature = 0, messages = new[] { new { role = "user", content = "hello" } } },
            TestContext.Current.CancellationToken);
        var reply = await response.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken);
        var releases = await client.GetFromJsonAsync<JsonElement>("/v1/releases", TestContext.Current.CancellationToken);
        return (
            releases.GetProperty("data")[0].GetProperty("weight_format").GetString(),
            reply.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }
}
